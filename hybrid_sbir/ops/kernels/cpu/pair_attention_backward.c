/* Gradients of the pairwise attention. Relations, hidden channels, logits and weights are computed again, tile by
   tile.

   With u = relu(hidden' . d + position'), hidden' = scale * hidden, position' = scale * position + shift and e the
   gradient of what stands in that relu, everything else follows from sums that are needed anyway: with A = sum of e
   d^T over samples, neighbours and positions, and B[s, k, p] = sum of e over samples, grad_hidden = scale * A,
   grad_position = scale * B, grad_shift = sum B, grad_scale = sum hidden * A + sum position * B. */
#ifndef LANE_BYTES
#define BODY "pair_attention_backward.c"
#include "widths.h"
#else

#include "pair_gradient.h"
#include "attention.h"

#define attention_gradient AT(attention_gradient)
#define logits_gradient AT(logits_gradient)
#define attention_gradient_tile AT(attention_gradient_tile)
#define take_attention_gradient AT(take_attention_gradient)
#define pack_attention_gradient AT(pack_attention_gradient)
#define gather_norm AT(gather_norm)

typedef struct {
    pair_gradient gradient;
    map_gradient grad_x;
    const REAL *grad, *y, *log_sum;            /* planes */
    REAL *x, *scaled, *output, *across, *bias; /* as in pair_attention; across: output as G rows of S */
    REAL *grad_output, *grad_bias;             /* [task]: G rows of S, a row of G */
    double *norm;                              /* [K][S]: two sums of gather_positions */
    REAL *chains;
} attention_gradient;

/* t->logits: from the logits to their gradient; and the gradient of x. */
INLINE void logits_gradient(const attention_gradient *o, pair_tile *t, index_t n) {
    const problem *q = t->problem;
    const index_t wide = q->wide_groups, length = q->wide_length, slice = t->piece.slice;
    const index_t map = n * q->channels * q->positions + t->first, logits = n * q->groups * q->positions + t->first;
    const weighting f = {q->neighbours, wide, q->channels / q->groups};
    REAL *grad = t->rows, *y = grad + t->count * length;
    REAL *log_sum = y + t->count * length, *mean = log_sum + t->count * wide;
    planes_to_rows(feature_rows(q), t->count, o->grad + map, q->positions, grad);
    planes_to_rows(feature_rows(q), t->count, o->y + map, q->positions, y);
    planes_to_rows(group_rows(q), t->count, o->log_sum + logits, q->positions, log_sum);
    if (t->opening) zero_gradient(&o->grad_x, q, slice, n);
    for (index_t i = 0; i < t->count; i++) {
        softmax_again(f, t->logits + i * q->neighbours * wide, log_sum + i * wide);
        for (index_t v = 0; v < wide; v += LANES) {
            vector sum = (vector){0};
            for (index_t at = i * length + v * f.share; at < i * length + (v + LANES) * f.share; at += LANES)
                sum += CONSTANT_VECTOR(grad + at) * CONSTANT_VECTOR(y + at);
            VECTOR(mean + i * wide + v) = sum;
        }
    }
    spread(f, q->window->kernel, t->count, t->logits, mean, grad, o->x + n * (q->cells + 1) * length, t->source,
           sample_gradient(&o->grad_x, q, slice, n), o->grad_x.skip[slice]);
}

static void attention_gradient_tile(void *operation, pair_tile *t, index_t n) {
    const attention_gradient *o = operation;
    const problem *q = t->problem;
    const index_t wide = q->wide_groups;
    const int fresh = t->opening && n == t->piece.begin;
    REAL *grad_bias = o->grad_bias + t->piece.task * wide;
    pair_difference(t, n);
    pair_hidden(t, 1);
    pair_logits(t, o->output, o->bias);
    logits_gradient(o, t, n);
    for (index_t v = 0; v < wide; v += LANES) {
        vector sum = (vector){0};
        for (index_t j = 0; j < t->columns; j++) sum += CONSTANT_VECTOR(t->logits + j * wide + v);
        if (!fresh) sum += CONSTANT_VECTOR(grad_bias + v);
        VECTOR(grad_bias + v) = sum;
    }
    add_product(t, n, q->groups, t->logits, wide, t->hidden, q->wide_hidden, o->grad_output);
    multiply((gemm){.rows = t->columns, .columns = q->wide_hidden, .length = q->groups, .a = t->logits, .a_row = wide,
                    .a_step = 1, .b = o->across, .b_row = q->wide_hidden, .c = t->hidden, .c_row = q->wide_hidden,
                    .sign = t->hidden});
    relation_backward(&o->gradient, t, n);
}

static attention_gradient take_attention_gradient(const problem *q, REAL *grad_phi, scratch *from) {
    return (attention_gradient){
        .gradient = take_pair_gradient(q, grad_phi, from),
        .grad_x = take_map_gradient(q, feature_rows(q), from),
        .x = take(from, q->samples * (q->cells + 1) * q->wide_length),
        .scaled = take(from, q->hidden * q->relations),
        .output = take(from, q->hidden * q->wide_groups),
        .across = take(from, q->groups * q->wide_hidden),
        .bias = take(from, q->wide_groups),
        .grad_output = take(from, tasks(q) * q->groups * q->wide_hidden),
        .grad_bias = take(from, tasks(q) * q->wide_groups),
        .norm = (double *)take(from, 2 * q->neighbours * q->hidden * (index_t)(sizeof(double) / sizeof(REAL))),
        .chains = take(from, q->threads * 2 * BLOCK * q->hidden),
    };
}

static void pack_attention_gradient(const problem *q, attention_gradient *o, const REAL *hidden, const REAL *scale,
                                    const REAL *output, const REAL *bias) {
    const index_t r = q->relations, s = q->hidden, g = q->groups;
    for (index_t i = 0; i < s * r; i++) o->scaled[i] = scale[i / r] * hidden[i];
    pack(s, r, o->scaled, r, 1, o->gradient.weight);
    pack(s, g, output, 1, s, o->output);
    pack(g, s, output, s, 1, o->across);
    pack(1, g, bias, 0, 1, o->bias);
}

/* grad_hidden, grad_scale and grad_shift from the sums A (parts by task) and those over B (norm, by neighbour). */
static void gather_norm(const problem *q, const attention_gradient *o, const REAL *hidden, const REAL *scale,
                        REAL *grad_hidden, REAL *grad_scale, REAL *grad_shift) {
    gather_parts(q, q->hidden, q->relations, q->wide_relations, o->gradient.hidden, 0, grad_hidden);
    for (index_t s = 0; s < q->hidden; s++) {
        double of_scale = 0, of_shift = 0;
        for (index_t at = s * q->relations; at < (s + 1) * q->relations; at++) {
            of_scale += (double)hidden[at] * grad_hidden[at];
            grad_hidden[at] *= scale[s];
        }
        for (index_t k = 0; k < q->neighbours; k++) {
            of_scale += o->norm[2 * (k * q->hidden + s)];
            of_shift += o->norm[2 * (k * q->hidden + s) + 1];
        }
        grad_scale[s] = of_scale, grad_shift[s] = of_shift;
    }
}

/* Arguments of pair_attention with grad [N][C][P] before and y, log_sum after; gradients in the order of the inputs.
   grad_phi must be zero. */
EXPORT int64_t AT(pair_attention_backward)(
    const geometry *w, int64_t n, int64_t c, int64_t g, int64_t r, int64_t s, const REAL *grad, const REAL *x,
    const REAL *phi, const REAL *psi, const REAL *position, const REAL *hidden, const REAL *scale, const REAL *shift,
    const REAL *output, const REAL *bias, const REAL *y, const REAL *log_sum, REAL *grad_x, REAL *grad_phi,
    REAL *grad_psi, REAL *grad_position, REAL *grad_hidden, REAL *grad_scale, REAL *grad_shift, REAL *grad_output,
    REAL *grad_bias, REAL *memory, int64_t threads) {
    problem q = sizes_of(w, n, c, g, r, s, threads);
    scratch from = scratch_in(memory);
    cut_for_sums(&q);
    pair_maps maps = take_pair_maps(&q, &from);
    attention_gradient o = take_attention_gradient(&q, grad_phi, &from);
    if (!memory) return needed(&from);
    o.grad = grad, o.y = y, o.log_sum = log_sum;
    pack_attention_gradient(&q, &o, hidden, scale, output, bias);
    fill_pair_maps(&q, &maps, phi, psi, position, scale, shift, o.scaled);
    maps_to_rows(feature_rows(&q), n, q.cells, x, o.x, threads);
    pair_run(&q, &maps, attention_gradient_tile, &o);
    gather_map_gradient(&o.grad_x, &q, grad_x);
    gather_map_gradient(&o.gradient.psi, &q, grad_psi);
    gather_positions(&q, o.gradient.position, scale, position, o.norm, o.chains, grad_position);
    gather_norm(&q, &o, hidden, scale, grad_hidden, grad_scale, grad_shift);
    gather_parts(&q, g, s, q.wide_hidden, o.grad_output, 0, grad_output);
    gather_parts(&q, 1, g, q.wide_groups, o.grad_bias, 0, grad_bias);
    return 0;
}

#endif
