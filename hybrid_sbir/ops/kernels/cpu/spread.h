/* The gradients at one position: from its neighbours' values to its weights, and from its weights to the neighbours. */
#ifndef HYBRID_SBIR_SPREAD_H
#define HYBRID_SBIR_SPREAD_H

#include "padded.h"

typedef struct {
    const geometry *g;
    const vector *grad, *near; /* of its output; its first neighbour's values */
    vector *sums;              /* its first neighbour's gradient */
    const REAL *weight;
    REAL *weight_grad;
    index_t vectors, step; /* step: from one weight, and its gradient, to the next */
} position;

/* `count` vectors from vector m on; the constants make a loop of its own for each case. */
INLINE void spread(const index_t count, const int to_x, const position *at, index_t m) {
    const geometry *g = at->g;
    const index_t column = g->dilation * at->vectors, row = g->dilation * (padded_width(g) - g->kernel) * at->vectors;
    const vector *near = at->near + m;
    vector *sums = at->sums + m, grad[8];
    index_t k = 0;
    for (index_t i = 0; i < count; i++) grad[i] = at->grad[m + i];
    for (index_t ky = 0; ky < g->kernel; ky++, near += row, sums += row)
        for (index_t kx = 0; kx < g->kernel; kx++, near += column, sums += column, k += at->step) {
            if (to_x) {
                const vector w = load(at->weight + k);
                for (index_t i = 0; i < count; i++) sums[i] += w * grad[i];
            } else {
                vector sum = m ? load(at->weight_grad + k) : (vector){0};
                for (index_t i = 0; i < count; i++) sum += grad[i] * near[i];
                store(at->weight_grad + k, sum);
            }
        }
}

/* To the neighbours' gradients, or (to_x = 0) to the weights'. */
INLINE void spread_all(const int to_x, const position *at) {
    index_t m = 0;
    for (; m + 8 <= at->vectors; m += 8) spread(8, to_x, at, m);
    if (at->vectors & 4) spread(4, to_x, at, m), m += 4;
    if (at->vectors & 2) spread(2, to_x, at, m), m += 2;
    if (at->vectors & 1) spread(1, to_x, at, m);
}

/* Add the repetitions of a weight channel, which lie `wrap` lanes apart, into its first lane. */
INLINE void fold_lanes(REAL *vectors, index_t count, const index_t wrap, index_t folds) {
    for (; count--; vectors += LANES)
        for (index_t f = 1; f < folds; f++)
            for (index_t l = 0; l < wrap; l++) vectors[l] += vectors[f * wrap + l];
}

static inline void fold_all(chunk c, vector *vectors, index_t count) {
    if (c.wrap == 8) fold_lanes((REAL *)vectors, count, 8, c.folds);
    else if (c.wrap == 4) fold_lanes((REAL *)vectors, count, 4, c.folds);
    else if (c.wrap == 2) fold_lanes((REAL *)vectors, count, 2, c.folds);
    else fold_lanes((REAL *)vectors, count, c.wrap, c.folds);
}

#endif
