/* Between planes (channel by channel, as PyTorch stores a map) and rows (cell by cell, the channels of a cell side by
   side in whole vectors), so that inner loops run over channels and a neighbour is one row.

   A map in rows starts with a row of zeros, row 0: what lies outside under zero padding. Cell (y, x) is row 1 + y *
   width + x. Where `share` channels have the weight of one group (channels g, g + group, g + 2 group ...), the vector
   of their first groups stands `share` times, then that of the next groups: a vector of weights meets its channels
   one after the other. */
#ifndef HYBRID_SBIR_ROWS_H
#define HYBRID_SBIR_ROWS_H

#include <string.h>

#include "kernel.h"

typedef struct {
    index_t group, share, lanes; /* share * group channels; numbers in a vector */
} row_format;

INLINE index_t row_length(row_format f) { return (f.group + f.lanes - 1) / f.lanes * f.lanes * f.share; }

/* rows[i] = column i of planes (channels at a distance of `plane`), for i < count. */
static inline void planes_to_rows(row_format f, index_t count, const REAL *planes, index_t plane, REAL *rows) {
    const index_t length = row_length(f);
    if (f.group % f.lanes) memset(rows, 0, sizeof(REAL) * count * length);
    for (index_t first = 0; first < count; first += 16) {
        const index_t some = count - first < 16 ? count - first : 16;
        const REAL *from = planes + first;
        for (index_t q = 0; q < f.share; q++)
            for (index_t v = 0; v < f.group; v += f.lanes)
                for (index_t l = 0; l < f.lanes && v + l < f.group; l++, from += plane) {
                    REAL *to = rows + first * length + v * f.share + q * f.lanes + l;
                    for (index_t i = 0; i < some; i++) to[i * length] = from[i];
                }
    }
}

/* The way back; added to what is there if `add`. */
static inline void rows_to_planes(row_format f, index_t count, const REAL *rows, REAL *planes, index_t plane, int add) {
    const index_t length = row_length(f);
    for (index_t first = 0; first < count; first += 16) {
        const index_t some = count - first < 16 ? count - first : 16;
        REAL *to = planes + first;
        for (index_t q = 0; q < f.share; q++)
            for (index_t v = 0; v < f.group; v += f.lanes)
                for (index_t l = 0; l < f.lanes && v + l < f.group; l++, to += plane) {
                    const REAL *from = rows + first * length + v * f.share + q * f.lanes + l;
                    for (index_t i = 0; i < some; i++) to[i] = add ? to[i] + from[i * length] : from[i * length];
                }
    }
}

/* Whole maps of `samples` samples, with the row of zeros before each. */
static inline void maps_to_rows(row_format f, index_t samples, index_t cells, const REAL *maps, REAL *rows,
                                int64_t threads) {
    const index_t length = row_length(f);
    (void)threads; /* where there is no OpenMP */
#pragma omp parallel for schedule(static) num_threads(threads)
    for (index_t n = 0; n < samples; n++) {
        REAL *own = rows + n * (cells + 1) * length;
        memset(own, 0, sizeof(REAL) * length);
        planes_to_rows(f, cells, maps + n * f.group * f.share * cells, cells, own + length);
    }
}

#endif
