/* Which rows of a map (rows.h: row 0 is the zero outside, cell (y, x) row 1 + y * width + x) a window sees. */
#ifndef HYBRID_SBIR_CELLS_H
#define HYBRID_SBIR_CELLS_H

#include "kernel.h"

INLINE index_t window_size(const geometry *w) { return w->kernel * w->kernel; }
INLINE index_t position_count(const geometry *w) { return w->out_height * w->out_width; }
INLINE index_t cell_count(const geometry *w) { return w->height * w->width; }

/* The row at the centre of output `position`. */
INLINE index_t centre_cell(const geometry *w, index_t position) {
    const index_t first = w->dilation * (w->kernel / 2) - w->border;
    const index_t y = position / w->out_width * w->stride + first, x = position % w->out_width * w->stride + first;
    return 1 + y * w->width + x;
}

/* cells[p][k] = row of the k-th neighbour of output p. */
static inline void neighbour_cells(const geometry *w, int32_t *cells) {
    for (index_t p = 0; p < position_count(w); p++)
        for (index_t ky = 0; ky < w->kernel; ky++) {
            const index_t up = p / w->out_width * w->stride, left = p % w->out_width * w->stride;
            const index_t y = source_index(up + ky * w->dilation, w->height, w->border, w->reflect);
            for (index_t kx = 0; kx < w->kernel; kx++) {
                const index_t x = source_index(left + kx * w->dilation, w->width, w->border, w->reflect);
                *cells++ = y < 0 || x < 0 ? 0 : (int32_t)(1 + y * w->width + x);
            }
        }
}

/* The map's lines that the windows of outputs first ... last see: from *low on, the number of them returned. */
static inline index_t lines_seen(const geometry *w, index_t first, index_t last, index_t *low) {
    index_t high = -1;
    *low = w->height;
    for (index_t oy = first / w->out_width; oy <= last / w->out_width; oy++)
        for (index_t ky = 0; ky < w->kernel; ky++) {
            const index_t y = source_index(oy * w->stride + ky * w->dilation, w->height, w->border, w->reflect);
            if (y < 0) continue;
            if (y < *low) *low = y;
            if (y > high) high = y;
        }
    return high < *low ? 0 : high - *low + 1;
}

#endif
