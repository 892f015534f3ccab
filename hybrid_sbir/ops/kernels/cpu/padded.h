/* A padded map of one chunk: cells (y, x) of `vectors` vectors, row by row, the border mirrored or zero. A neighbour of
   a position is then a constant distance away. */
#ifndef HYBRID_SBIR_PADDED_H
#define HYBRID_SBIR_PADDED_H

#include "chunk.h"

INLINE index_t padded_width(const geometry *g) { return g->width + 2 * g->border; }
INLINE index_t padded_height(const geometry *g) { return g->height + 2 * g->border; }

/* Vectors of `rows` rows of a padded map of one chunk. */
INLINE index_t cells_of(const problem *p, index_t rows) {
    return rows * padded_width(&p->window) * chunk_at(p, 0).vectors;
}

/* Rows of the padded map that `rows` rows of outputs see. */
INLINE index_t rows_seen(const geometry *g, index_t rows) {
    return (rows - 1) * g->stride + (g->kernel - 1) * g->dilation + 1;
}

static inline void add_cells(const vector *from, vector *to, index_t count) {
    for (index_t i = 0; i < count; i++) to[i] += from[i];
}

/* Copy cells to another place, or clear it where there is no source. */
static inline void set_cells(const vector *from, vector *to, index_t count) {
    if (from) memcpy(to, from, sizeof(vector) * count);
    else memset(to, 0, sizeof(vector) * count);
}

/* Where the cells that follow `cell` (counted without the border) lie in the padded rows from `first` on. */
static inline void find_cells(const geometry *g, index_t cell, index_t count, index_t first, index_t vectors,
                              index_t *places) {
    index_t y = cell / g->width, x = cell % g->width;
    for (index_t i = 0; i < count; i++, x++) {
        if (x == g->width) x = 0, y++;
        places[i] = ((y + g->border - first) * padded_width(g) + x + g->border) * vectors;
    }
}

/* Fill the border: columns of the rows that have cells of the map, then whole rows. */
static inline void fill_border(const geometry *g, index_t vectors, index_t first, index_t rows, vector *padded) {
    const index_t row = padded_width(g) * vectors, left = g->border * vectors, right = left + g->width * vectors;
    for (index_t y = 0; y < rows; y++) {
        vector *at = padded + y * row;
        if (first + y < g->border || first + y >= g->border + g->height) continue;
        for (index_t i = 0; i < left; i += vectors) {
            set_cells(g->reflect ? at + 2 * left - i : 0, at + i, vectors);
            set_cells(g->reflect ? at + right - 2 * vectors - i : 0, at + right + i, vectors);
        }
    }
    for (index_t y = 0; y < rows; y++) {
        const index_t from = source_index(first + y, g->height, g->border, g->reflect) + g->border;
        if (from < g->border) set_cells(0, padded + y * row, row);
        else if (from != first + y) set_cells(padded + (from - first) * row, padded + y * row, row);
    }
}

/* Copy a chunk of a sample's map x into the padded rows `first` ... `first + rows - 1`. */
static inline void fill_padded(const problem *p, chunk c, const REAL *x, index_t first, index_t rows, vector *padded) {
    const geometry *g = &p->window;
    const steps at = map_steps(p, g->height * g->width, p->x_last);
    const index_t begin = first > g->border ? first - g->border : 0, end = least(g->height, first + rows - g->border);
    vector block[LANE_COUNT];
    index_t places[LANE_COUNT];
    for (index_t cell = begin * g->width; cell < end * g->width; cell += LANES) {
        const index_t count = least(LANES, end * g->width - cell);
        find_cells(g, cell, count, first, c.vectors, places);
        for (index_t m = 0; m < c.vectors; m++) {
            const index_t lanes = lanes_of(p, c, m);
            gather(x + channel_of(p, c, m) * at.lane + cell * at.position, at, count, lanes, lanes, block, 1);
            for (index_t i = 0; i < count; i++) padded[places[i] + m] = block[i];
        }
    }
    fill_border(g, c.vectors, first, rows, padded);
}

/* Add the mirrored border to where it came from, always in the same order: rows first, then columns. */
static inline void fold_border(const geometry *g, index_t vectors, vector *padded) {
    const index_t row = padded_width(g) * vectors, left = g->border * vectors, right = left + g->width * vectors;
    for (index_t y = 0; y < padded_height(g); y++) {
        const index_t to = source_index(y, g->height, g->border, 1) + g->border;
        if (to != y) add_cells(padded + y * row, padded + to * row, row);
    }
    for (vector *at = padded + g->border * row; at < padded + (g->border + g->height) * row; at += row)
        for (index_t i = 0; i < left; i += vectors) {
            add_cells(at + i, at + 2 * left - i, vectors);
            add_cells(at + right + i, at + right - 2 * vectors - i, vectors);
        }
}

/* Fold a whole padded map of sums back into a chunk of a sample's map grad_x, whose positions lie side by side. */
static inline void fold_padded(const problem *p, chunk c, vector *padded, REAL *grad_x) {
    const geometry *g = &p->window;
    const index_t cells = g->height * g->width;
    const steps at = map_steps(p, cells, 0);
    vector block[LANE_COUNT];
    index_t places[LANE_COUNT];
    if (g->reflect) fold_border(g, c.vectors, padded);
    for (index_t cell = 0; cell < cells; cell += LANES) {
        const index_t count = least(LANES, cells - cell);
        find_cells(g, cell, count, 0, c.vectors, places);
        for (index_t m = 0; m < c.vectors; m++) {
            for (index_t i = 0; i < count; i++) block[i] = padded[places[i] + m];
            scatter(block, 1, count, lanes_of(p, c, m), grad_x + channel_of(p, c, m) * at.lane + cell, at);
        }
    }
}

#endif
