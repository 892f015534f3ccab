/* Gradients of aggregation.c: grad_x[n, c, neighbour k of p] += weight[n, c mod groups, k, p] * grad[n, c, p] and
   grad_weight[n, g, k, p] = sum over the channels c of g of grad[n, c, p] * x[n, c, neighbour k of p]. With a softmax,
   weights are recomputed, and grad_logits[k] = weight[k] * (grad_weight[k] - sum over k of weight * grad_weight).

   A task is a chunk of channels of a sample, so that every sum is made by one thread in one order. */
#include "padded.h"
#include "scratch.h"
#include "softmax.h"

typedef struct {
    vector *padded, *sums, *weights, *grads, *weight_grads, *divisors;
} places;

static places lay_out(const problem *p, scratch *from) {
    const index_t vectors = chunk_at(p, 0).vectors, k_count = neighbours_of(p);
    const index_t cells = padded_height(&p->window) * padded_width(&p->window);
    places at;
    at.padded = (vector *)take(from, cells * vectors * LANES);
    at.sums = (vector *)take(from, cells * vectors * LANES);
    at.weights = (vector *)take(from, LANES * k_count * LANES);
    at.grads = (vector *)take(from, LANES * vectors * LANES);
    at.weight_grads = (vector *)take(from, LANES * k_count * LANES);
    at.divisors = (vector *)take(from, LANES * LANES);
    return at;
}

/* Numbers of scratch that each thread needs. */
EXPORT int64_t aggregation_backward_scratch(const problem *p, index_t threads) {
    (void)threads;
    scratch counted = {0, 0};
    lay_out(p, &counted);
    return counted.used;
}

/* What one position needs: its neighbours' vectors and their sums, its weights and where their gradients go. */
typedef struct {
    const geometry *g;
    const vector *near, *grad;
    vector *sums;
    const REAL *weight;
    REAL *weight_grad;
    index_t vectors, weight_step, weight_grad_step;
} position;

/* `count` vectors from vector m on; the constants make a loop of their own for each case. */
INLINE void spread(const index_t count, const int want_x, const int want_weight, const position *at, index_t m) {
    const geometry *g = at->g;
    const index_t column = g->dilation * at->vectors, row = g->dilation * (padded_width(g) - g->kernel) * at->vectors;
    const vector *near = at->near + m;
    const REAL *weight = at->weight;
    REAL *weight_grad = at->weight_grad;
    vector *sums = at->sums + m, grad[8];
    for (index_t i = 0; i < count; i++) grad[i] = at->grad[m + i];
    for (index_t ky = 0; ky < g->kernel; ky++, near += row, sums += row)
        for (index_t kx = 0; kx < g->kernel; kx++, near += column, sums += column) {
            if (want_weight) {
                vector sum = m ? load(weight_grad) : (vector){0};
                for (index_t i = 0; i < count; i++) sum += grad[i] * near[i];
                store(weight_grad, sum);
                weight_grad += at->weight_grad_step;
            }
            if (want_x) {
                const vector w = load(weight);
                for (index_t i = 0; i < count; i++) sums[i] += w * grad[i];
                weight += at->weight_step;
            }
        }
}

INLINE void spread_all(const int want_x, const int want_weight, const position *at) {
    index_t m = 0;
    for (; m + 8 <= at->vectors; m += 8) spread(8, want_x, want_weight, at, m);
    if (at->vectors & 4) spread(4, want_x, want_weight, at, m), m += 4;
    if (at->vectors & 2) spread(2, want_x, want_weight, at, m), m += 2;
    if (at->vectors & 1) spread(1, want_x, want_weight, at, m);
}

/* Add the repetitions of a weight channel, which lie `wrap` lanes apart, into its first lane. */
INLINE void fold_lanes(REAL *vectors, index_t count, const index_t wrap, index_t folds) {
    for (; count--; vectors += LANES)
        for (index_t f = 1; f < folds; f++)
            for (index_t l = 0; l < wrap; l++) vectors[l] += vectors[f * wrap + l];
}

static void fold_all(chunk c, vector *vectors, index_t count) {
    if (c.folds == 1) return;
    if (c.wrap == 8) fold_lanes((REAL *)vectors, count, 8, c.folds);
    else if (c.wrap == 4) fold_lanes((REAL *)vectors, count, 4, c.folds);
    else if (c.wrap == 2) fold_lanes((REAL *)vectors, count, 2, c.folds);
    else fold_lanes((REAL *)vectors, count, c.wrap, c.folds);
}

/* From the gradient of the softmax's weights to that of its logits, in place. */
static void softmax_gradient(const vector *weights, vector *grads, index_t k_count) {
    vector mean = {0};
    for (index_t k = 0; k < k_count; k++) mean += weights[k] * grads[k];
    for (index_t k = 0; k < k_count; k++) grads[k] = weights[k] * (grads[k] - mean);
}

typedef struct {
    const problem *p;
    const REAL *grad, *x, *weight, *divisor; /* divisor: NULL without a softmax */
    REAL *grad_x, *grad_weight;              /* NULL: not needed */
} job;

/* Up to LANES positions from `begin` on: bring weights and gradients into vectors. */
static void gather_some(const job *j, chunk c, index_t n, index_t begin, index_t count, int direct, places at) {
    const problem *p = j->p;
    const index_t k_count = neighbours_of(p), positions = positions_of(p);
    const steps step = weight_steps(p), map = map_steps(p, positions, p->grad_last);
    const index_t k_step = p->weight_last ? p->groups : positions;
    const REAL *weight = j->weight + n * p->groups * k_count * positions + c.first * step.lane + begin * step.position;
    const REAL *grad = j->grad + n * p->channels * positions + begin * map.position;
    for (index_t k = 0; k < k_count && !direct && (j->grad_x || j->divisor); k++)
        gather(weight + k * k_step, step, count, c.folds * c.wrap, c.wrap, at.weights + k, k_count);
    for (index_t m = 0; m < c.vectors; m++) {
        const index_t lanes = lanes_of(p, c, m);
        gather(grad + channel_of(p, c, m) * map.lane, map, count, lanes, lanes, at.grads + m, c.vectors);
    }
    if (j->divisor)
        gather(j->divisor + (n * p->groups + c.first) * positions + begin, (steps){positions, 1}, count,
               c.folds * c.wrap, c.wrap, at.divisors, 1);
}

/* Up to LANES positions from `begin` on. */
static void spread_some(const job *j, chunk c, index_t n, index_t begin, index_t count, places at) {
    const problem *p = j->p;
    const geometry *g = &p->window;
    const index_t k_count = neighbours_of(p), positions = positions_of(p);
    const index_t k_step = p->weight_last ? p->groups : positions;
    const steps step = weight_steps(p);
    const index_t offset = n * p->groups * k_count * positions + c.first * step.lane + begin * step.position;
    const int direct = p->weight_last && c.wrap == LANES && !j->divisor;
    gather_some(j, c, n, begin, count, direct, at);
    for (index_t i = 0; i < count; i++) {
        const index_t y = (begin + i) / g->out_width * g->stride, x = (begin + i) % g->out_width * g->stride;
        const index_t cell = (y * padded_width(g) + x) * c.vectors;
        vector *weights = at.weights + i * k_count, *weight_grads = at.weight_grads + i * k_count;
        position here = {g, at.padded + cell, at.grads + i * c.vectors, at.sums + cell, (REAL *)weights,
                         (REAL *)weight_grads, c.vectors, LANES, LANES};
        if (direct) {
            here.weight = j->weight + offset + i * step.position, here.weight_step = p->groups;
            here.weight_grad = j->grad_weight + offset + i * step.position, here.weight_grad_step = p->groups;
        }
        if (j->divisor) softmax_again(weights, k_count, at.divisors[i]);
        if (j->grad_x && j->grad_weight) spread_all(1, 1, &here);
        else if (j->grad_x) spread_all(1, 0, &here);
        else spread_all(0, 1, &here);
        if (direct || !j->grad_weight) continue;
        fold_all(c, weight_grads, k_count);
        if (j->divisor) softmax_gradient(weights, weight_grads, k_count);
    }
    for (index_t k = 0; k < k_count && !direct && j->grad_weight; k++)
        scatter(at.weight_grads + k, k_count, count, c.wrap, j->grad_weight + offset + k * k_step, step);
}

static void spread_chunk(const job *j, index_t n, index_t chunk_number, places at) {
    const problem *p = j->p;
    const geometry *g = &p->window;
    const chunk c = chunk_at(p, chunk_number);
    const index_t positions = positions_of(p), sample = n * p->channels * g->height * g->width;
    if (j->grad_weight) fill_padded(p, c, j->x + sample, 0, padded_height(g), at.padded);
    if (j->grad_x) set_cells(0, at.sums, padded_height(g) * padded_width(g) * c.vectors);
    for (index_t begin = 0; begin < positions; begin += LANES)
        spread_some(j, c, n, begin, least(LANES, positions - begin), at);
    if (j->grad_x) fold_padded(p, c, at.sums, j->grad_x + sample);
}

/* grad [N, C, P], x [N, C, H, W], weight [N, G, K, P], divisor [N, G, P] or NULL (weight is used as it is), grad_x as x
   but with positions side by side, grad_weight as weight, either may be NULL; `pitch` numbers of scratch a thread. */
EXPORT void aggregation_backward(const REAL *grad, const REAL *x, const REAL *weight, const REAL *divisor, REAL *grad_x,
                                 REAL *grad_weight, REAL *memory, const problem *p, index_t pitch, index_t threads) {
    const job j = {p, grad, x, weight, divisor, grad_x, grad_weight};
    const index_t chunks = chunk_count(p);
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (index_t task = 0; task < p->batch * chunks; task++) {
        scratch own = {memory + omp_get_thread_num() * pitch, 0};
        spread_chunk(&j, task / chunks, task % chunks, lay_out(p, &own));
    }
}
