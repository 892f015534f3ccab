/* The gradient of a map that windows read: each slice of positions adds to the lines of the map that it sees, in
   memory of its own, and the slices are added in a fixed order. */
#ifndef HYBRID_SBIR_MAP_GRADIENT_H
#define HYBRID_SBIR_MAP_GRADIENT_H

#include "problem.h"

typedef struct {
    row_format format;
    /* Of each slice: cells of the map before its lines, rows of a sample, rows of the slices before it. */
    index_t skip[PIECES], rows[PIECES], before[PIECES];
    REAL *start; /* [slice][sample][rows] */
} map_gradient;

static inline map_gradient take_map_gradient(const problem *q, row_format format, scratch *from) {
    map_gradient d = {.format = format};
    index_t rows = 0;
    for (index_t slice = 0; slice < q->slices; slice++) {
        const index_t first = slice * q->slice_length, last = least(q->positions, first + q->slice_length) - 1;
        index_t low;
        d.rows[slice] = 1 + q->window->width * lines_seen(q->window, first, last, &low);
        d.skip[slice] = low * q->window->width;
        d.before[slice] = rows;
        rows += d.rows[slice];
    }
    d.start = take(from, rows * q->samples * row_length(format));
    return d;
}

/* A sample's rows in a slice. Row 0 takes what falls outside the map; cell c of the map has row c - skip. */
INLINE REAL *sample_gradient(const map_gradient *d, const problem *q, index_t slice, index_t n) {
    return d->start + (d->before[slice] * q->samples + n * d->rows[slice]) * row_length(d->format);
}

INLINE void zero_gradient(const map_gradient *d, const problem *q, index_t slice, index_t n) {
    memset(sample_gradient(d, q, slice, n), 0, sizeof(REAL) * d->rows[slice] * row_length(d->format));
}

INLINE index_t own_row(int32_t cell, index_t skip) { return cell ? cell - skip : 0; }

/* planes [N][channels][H][W] = the slices, added. */
static inline void gather_map_gradient(const map_gradient *d, const problem *q, REAL *planes) {
    const index_t length = row_length(d->format), channels = d->format.group * d->format.share;
#pragma omp parallel for schedule(static) num_threads(q->threads)
    for (index_t n = 0; n < q->samples; n++) {
        REAL *to = planes + n * channels * q->cells;
        memset(to, 0, sizeof(REAL) * channels * q->cells);
        for (index_t slice = 0; slice < q->slices; slice++)
            rows_to_planes(d->format, d->rows[slice] - 1, sample_gradient(d, q, slice, n) + length, to + d->skip[slice],
                           q->cells, 1);
    }
}

#endif
