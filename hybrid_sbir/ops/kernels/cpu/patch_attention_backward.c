/* Gradients of the patchwise attention; the weights are made again, tile by tile. */
#ifndef LANE_BYTES
#define BODY "patch_attention_backward.c"
#include "widths.h"
#else

#include "patch_attention.h"

#define patch_attention_gradient AT(patch_attention_gradient)
#define weights_gradient AT(weights_gradient)
#define patch_attention_gradient_tile AT(patch_attention_gradient_tile)
#define take_weights_gradient AT(take_weights_gradient)
#define gather_weights AT(gather_weights)

typedef struct {
    patch_weights weights;
    map_gradient x;
    const REAL *grad;      /* planes */
    REAL *across;          /* output as [K] G rows of S */
    REAL *output, *bias;   /* [task]: [K] G rows of S; [K] rows of G */
    REAL *hidden;          /* the result itself, [N][S][P] */
} patch_attention_gradient;

/* From weights to their gradient; and the gradient of x. */
INLINE void weights_gradient(const patch_attention_gradient *o, const patch_tile *t, REAL *weights, REAL *grad) {
    const problem *q = t->problem;
    const weighting f = {q->neighbours, q->wide_groups, q->channels / q->groups};
    const index_t slice = t->piece.slice;
    for (index_t i = 0; i < t->samples; i++) {
        const index_t n = t->begin + i;
        if (t->opening) zero_gradient(&o->x, q, slice, n);
        const REAL *planes = o->grad + n * q->channels * q->positions + t->first;
        planes_to_rows(feature_rows(q), t->count, planes, q->positions, grad);
        spread(f, q->window->kernel, t->count, weights + i * t->count * weights_length(q), 0, grad,
               o->weights.x + n * (q->cells + 1) * q->wide_length, o->weights.cells + t->first * q->neighbours,
               sample_gradient(&o->x, q, slice, n), o->x.skip[slice]);
    }
}

static void patch_attention_gradient_tile(void *operation, patch_tile *t) {
    const patch_attention_gradient *o = operation;
    const problem *q = t->problem;
    const index_t length = weights_length(q), wide = q->wide_hidden, most_rows = rows_at_once(q, weight_rows(q));
    REAL *weights = t->space, *grad = weights + most_rows * length, *hidden = grad + q->tile * q->wide_length;
    REAL *bias = o->bias + t->piece.task * length, *output = o->output + t->piece.task * length * wide;
    tile_weights(t, &o->weights, weights);
    weights_gradient(o, t, weights, grad);
    for (index_t v = 0; v < length; v += LANES) {
        vector sum = {0};
        for (index_t i = 0; i < t->rows; i++) sum += CONSTANT_VECTOR(weights + i * length + v);
        if (!t->fresh) sum += CONSTANT_VECTOR(bias + v);
        VECTOR(bias + v) = sum;
    }
    multiply((gemm){.rows = t->rows, .columns = wide, .length = length, .a = weights, .a_row = length, .a_step = 1,
                    .b = o->across, .b_row = wide, .c = hidden, .c_row = wide});
    tile_to_planes(t, hidden_rows(q), hidden, o->hidden);
    multiply((gemm){.rows = length, .columns = wide, .length = t->rows, .a = weights, .a_row = 1, .a_step = length,
                    .b = o->weights.hidden + t->row * wide, .b_row = wide, .init = t->fresh ? 0 : output,
                    .init_row = wide, .c = output, .c_row = wide});
}

static patch_attention_gradient take_weights_gradient(const problem *q, scratch *from) {
    const index_t length = weights_length(q);
    return (patch_attention_gradient){
        .weights = take_patch_weights(q, from),
        .x = take_map_gradient(q, feature_rows(q), from),
        .across = take(from, length * q->wide_hidden),
        .output = take(from, tasks(q) * length * q->wide_hidden),
        .bias = take(from, tasks(q) * length),
    };
}

/* grad_output [G][K][S] and grad_bias [G][K] = the tasks' parts, added. */
static void gather_weights(const problem *q, const patch_attention_gradient *o, REAL *grad_output, REAL *grad_bias) {
    const index_t length = weights_length(q), wide = q->wide_hidden, k = q->neighbours, s = q->hidden;
#pragma omp parallel for schedule(static) num_threads(q->threads)
    for (index_t i = 0; i < k * q->groups; i++) {
        const index_t neighbour = i / q->groups, group = i % q->groups, row = neighbour * q->wide_groups + group;
        double bias = 0;
        for (index_t task = 0; task < tasks(q); task++) bias += o->bias[task * length + row];
        grad_bias[group * k + neighbour] = bias;
        for (index_t column = 0; column < s; column++) {
            double sum = 0;
            for (index_t task = 0; task < tasks(q); task++) sum += o->output[(task * length + row) * wide + column];
            grad_output[(group * k + neighbour) * s + column] = sum;
        }
    }
}

/* grad [N][C][P] and the arguments of patch_attention; gradients in the order of its inputs. */
EXPORT int64_t AT(patch_attention_backward)(const geometry *w, int64_t n, int64_t c, int64_t g, int64_t s,
                                            const REAL *grad, const REAL *x, const REAL *hidden, const REAL *output,
                                            const REAL *bias, REAL *grad_x, REAL *grad_hidden, REAL *grad_output,
                                            REAL *grad_bias, REAL *memory, int64_t threads) {
    problem q = sizes_of(w, n, c, g, 0, s, threads);
    scratch from = scratch_in(memory);
    const index_t rows = weight_rows(&q), wide = q.wide_groups;
    cut_rows_for_sums(&q, rows);
    patch_attention_gradient o = take_weights_gradient(&q, &from);
    const index_t length =
        rows_at_once(&q, rows) * (weights_length(&q) + q.wide_hidden) + q.tile * q.wide_length;
    REAL *space = take(&from, threads * length);
    if (!memory) return needed(&from);
    o.grad = grad, o.hidden = grad_hidden;
    fill_patch_weights(&q, &o.weights, x, hidden, output, bias);
    memset(o.across, 0, sizeof(REAL) * weights_length(&q) * q.wide_hidden);
    for (index_t i = 0; i < g * q.neighbours; i++) {
        const index_t row = i % q.neighbours * wide + i / q.neighbours;
        memcpy(o.across + row * q.wide_hidden, output + i * s, sizeof(REAL) * s);
    }
    patch_run(&q, rows, space, length, patch_attention_gradient_tile, &o);
    gather_map_gradient(&o.x, &q, grad_x);
    gather_weights(&q, &o, grad_output, grad_bias);
    return 0;
}

#endif
