/* Between planes (channel by channel, as PyTorch stores a map) and rows (cell by cell, the channels of a cell side by
   side and padded to whole vectors), so that inner loops run over channels and a neighbour is one row.

   A map in rows starts with a row of zeros, row 0: what lies outside under zero padding. Cell (y, x) is row
   1 + y * width + x. Channel c of a map with groups of `group` channels lies at (c / group) * wide + c % group of its row:
   each group starts a vector, so that weights, one for each channel of a group, fit any group. */
#ifndef HYBRID_SBIR_ROWS_H
#define HYBRID_SBIR_ROWS_H

#include <string.h>

#include "kernel.h"

typedef struct {
    index_t channels, group, wide; /* wide: `group` in whole vectors */
} row_format;

INLINE index_t row_length(row_format f) { return f.channels / f.group * f.wide; }
INLINE index_t row_column(row_format f, index_t c) { return c / f.group * f.wide + c % f.group; }

/* rows[i] = column i of planes (channels at a distance of `plane`), for i < count. */
static inline void planes_to_rows(row_format f, index_t count, const REAL *planes, index_t plane, REAL *rows) {
    const index_t length = row_length(f);
    if (f.wide != f.group) memset(rows, 0, sizeof(REAL) * count * length);
    for (index_t first = 0; first < count; first += 16) {
        const index_t some = count - first < 16 ? count - first : 16;
        for (index_t c = 0; c < f.channels; c++) {
            const REAL *from = planes + c * plane + first;
            REAL *to = rows + first * length + row_column(f, c);
            for (index_t i = 0; i < some; i++) to[i * length] = from[i];
        }
    }
}

/* The way back; added to what is there if `add`. */
static inline void rows_to_planes(row_format f, index_t count, const REAL *rows, REAL *planes, index_t plane, int add) {
    const index_t length = row_length(f);
    for (index_t first = 0; first < count; first += 16) {
        const index_t some = count - first < 16 ? count - first : 16;
        for (index_t c = 0; c < f.channels; c++) {
            const REAL *from = rows + first * length + row_column(f, c);
            REAL *to = planes + c * plane + first;
            for (index_t i = 0; i < some; i++) to[i] = add ? to[i] + from[i * length] : from[i * length];
        }
    }
}

/* Whole maps of `samples` samples, with the row of zeros before each. */
static inline void maps_to_rows(row_format f, index_t samples, index_t cells, const REAL *maps, REAL *rows,
                                int64_t threads) {
    const index_t length = row_length(f);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (index_t n = 0; n < samples; n++) {
        REAL *own = rows + n * (cells + 1) * length;
        memset(own, 0, sizeof(REAL) * length);
        planes_to_rows(f, cells, maps + n * f.channels * cells, cells, own + length);
    }
}

#endif
