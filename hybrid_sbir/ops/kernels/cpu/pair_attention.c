/* The pairwise attention in one pass: x aggregated with the softmax over the window of output . relu(scale * z +
   shift) + bias, with z = hidden . relu(phi - psi) + position.

   The scale goes into hidden and the position, the shift into the position, so that relu(scale * z + shift) comes out
   of one product. */
#ifndef LANE_BYTES
#define BODY "pair_attention.c"
#include "widths.h"
#else

#include "pair_tile.h"
#include "map_gradient.h"
#include "attention.h"

#define attention AT(attention)
#define attention_tile AT(attention_tile)

typedef struct {
    REAL *x, *scaled, *output, *bias; /* maps in rows; scale * hidden; output as S rows of G; a row of G */
    REAL *y, *log_sum;
} attention;

static void attention_tile(void *operation, pair_tile *t, index_t n) {
    const attention *o = operation;
    const problem *q = t->problem;
    const index_t wide = q->wide_groups, length = q->wide_length;
    const weighting f = {q->neighbours, wide, q->channels / q->groups};
    REAL *y = t->rows, *log_sum = y + t->count * length, *inverse = log_sum + t->count * wide;
    const REAL *x = o->x + n * (q->cells + 1) * length;
    pair_difference(t, n);
    pair_hidden(t, 1);
    pair_logits(t, o->output, o->bias);
    for (index_t i = 0; i < t->count; i++) {
        REAL *weights = t->logits + i * q->neighbours * wide;
        softmax(f, weights, inverse, log_sum + i * wide);
        aggregate(f, weights, x, t->source + i * q->neighbours, inverse, y + i * length);
    }
    REAL *y_planes = o->y + n * q->channels * q->positions + t->first;
    REAL *log_planes = o->log_sum + n * q->groups * q->positions + t->first;
    rows_to_planes(feature_rows(q), t->count, y, y_planes, q->positions, 0);
    rows_to_planes(group_rows(q), t->count, log_sum, log_planes, q->positions, 0);
}

/* x [N][C][H][W], phi, psi [N][R][H][W], position [S][K][P], hidden [S][R], scale, shift [S], output [G][S], bias
   [G]; y [N][C][P], log_sum [N][G][P]. */
EXPORT int64_t AT(pair_attention)(const geometry *w, int64_t n, int64_t c, int64_t g, int64_t r, int64_t s,
                                  const REAL *x, const REAL *phi, const REAL *psi, const REAL *position,
                                  const REAL *hidden, const REAL *scale, const REAL *shift, const REAL *output,
                                  const REAL *bias, REAL *y, REAL *log_sum, REAL *memory, int64_t threads) {
    problem q = sizes_of(w, n, c, g, r, s, threads);
    scratch from = scratch_in(memory);
    choose_tile(&q);
    cut_freely(&q);
    pair_maps maps = take_pair_maps(&q, &from);
    attention o = {.y = y, .log_sum = log_sum};
    o.x = take(&from, n * (q.cells + 1) * q.wide_length);
    o.scaled = take(&from, s * r);
    o.output = take(&from, s * q.wide_groups);
    o.bias = take(&from, q.wide_groups);
    if (!memory) return needed(&from);
    for (index_t i = 0; i < s * r; i++) o.scaled[i] = scale[i / r] * hidden[i];
    fill_pair_maps(&q, &maps, phi, psi, position, scale, shift, o.scaled);
    maps_to_rows(feature_rows(&q), n, q.cells, x, o.x, threads);
    pack(s, g, output, 1, s, o.output);
    pack(1, g, bias, 0, 1, o.bias);
    pair_run(&q, &maps, attention_tile, &o);
    return 0;
}

#endif
