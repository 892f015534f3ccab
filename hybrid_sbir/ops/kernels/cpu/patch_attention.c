/* The patchwise attention: x aggregated with the weights output . hidden + bias, made tile by tile. */
#ifndef LANE_BYTES
#define BODY "patch_attention.c"
#include "widths.h"
#else

#include "patch_attention.h"

#define patch_attention_data AT(patch_attention_data)
#define patch_attention_tile AT(patch_attention_tile)

typedef struct {
    patch_weights weights;
    REAL *y;
} patch_attention_data;

static void patch_attention_tile(void *operation, patch_tile *t) {
    const patch_attention_data *o = operation;
    const problem *q = t->problem;
    const weighting f = {q->neighbours, q->wide_groups, q->channels / q->groups};
    const index_t length = q->wide_length;
    REAL *weights = t->space, *y = weights + rows_at_once(q, weight_rows(q)) * weights_length(q);
    tile_weights(t, &o->weights, weights);
    for (index_t i = 0; i < t->rows; i++)
        aggregate(f, weights + i * weights_length(q),
                  o->weights.x + (t->begin + i / t->count) * (q->cells + 1) * length,
                  o->weights.cells + (t->first + i % t->count) * q->neighbours, 0, y + i * length);
    tile_to_planes(t, feature_rows(q), y, o->y);
}

/* x [N][C][H][W], hidden [N][S][P], output [G][K][S], bias [G][K]; y [N][C][P]. Without memory: how much it needs. */
EXPORT int64_t AT(patch_attention)(const geometry *w, int64_t n, int64_t c, int64_t g, int64_t s, const REAL *x,
                                   const REAL *hidden, const REAL *output, const REAL *bias, REAL *y, REAL *memory,
                                   int64_t threads) {
    problem q = sizes_of(w, n, c, g, 0, s, threads);
    scratch from = scratch_in(memory);
    cut_rows_freely(&q, weight_rows(&q));
    patch_attention_data o = {take_patch_weights(&q, &from), y};
    const index_t length = rows_at_once(&q, weight_rows(&q)) * (weights_length(&q) + q.wide_length);
    REAL *space = take(&from, threads * length);
    if (!memory) return needed(&from);
    fill_patch_weights(&q, &o.weights, x, hidden, output, bias);
    patch_run(&q, weight_rows(&q), space, length, patch_attention_tile, &o);
    return 0;
}

#endif
