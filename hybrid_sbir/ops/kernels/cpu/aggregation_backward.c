/* Gradients of aggregation.c: grad_x[n, c, neighbour k of p] += weight[n, c mod groups, k, p] * grad[n, c, p] and
   grad_weight[n, g, k, p] = sum over the channels c of g of grad[n, c, p] * x[n, c, neighbour k of p]. With a softmax,
   weights are recomputed, and grad_logits[k] = weight[k] * (grad_weight[k] - sum over k of weight * grad_weight).

   A task is a sample, or a chunk of its channels, so that every sum is made by one thread in one order. */
#include "scratch.h"
#include "softmax.h"
#include "spread.h"

typedef struct {
    vector *padded, *sums, *weights, *grads, *weight_grads, *divisors;
} places;

typedef struct {
    const problem *p;
    const REAL *grad, *x, *weight, *divisor; /* divisor: NULL without a softmax */
    REAL *grad_x, *grad_weight;              /* NULL: not needed */
} job;

/* Positions begin ... begin + count - 1 (at most LANES) of a chunk of sample n. */
typedef struct {
    const job *j;
    chunk c;
    places at;
    index_t n, begin, count, offset; /* offset: of the first weight within all */
    int direct;                      /* weights and their gradients are used where they lie */
} tile;

/* How many chunks a task goes over together. Weights whose channels lie side by side are then read in one go; with few
   samples, or where each chunk has memory of its own, more tasks are better. The results are the same. */
static index_t chunks_together(const problem *p, index_t threads) {
    const int enough = p->batch >= 4 * threads || p->batch % threads == 0;
    return p->weight_last && enough ? chunk_count(p) : 1;
}

static places lay_out(const problem *p, index_t together, scratch *from) {
    const index_t vectors = chunk_at(p, 0).vectors, k_count = neighbours_of(p);
    const index_t cells = together * cells_of(p, padded_height(&p->window));
    places at;
    at.padded = (vector *)take(from, cells * LANES);
    at.sums = (vector *)take(from, cells * LANES);
    at.weights = (vector *)take(from, LANES * k_count * LANES);
    at.grads = (vector *)take(from, LANES * vectors * LANES);
    at.weight_grads = (vector *)take(from, LANES * k_count * LANES);
    at.divisors = (vector *)take(from, LANES * LANES);
    return at;
}

/* Numbers of scratch that each thread needs. */
EXPORT int64_t aggregation_backward_scratch(const problem *p, index_t threads) {
    scratch counted = {0, 0};
    lay_out(p, chunks_together(p, threads), &counted);
    return counted.used;
}

static tile tile_at(const job *j, chunk c, places at, index_t n, index_t begin) {
    const problem *p = j->p;
    const steps step = weight_steps(p);
    const index_t sample = p->groups * neighbours_of(p) * positions_of(p);
    const index_t offset = n * sample + c.first * step.lane + begin * step.position;
    const int direct = p->weight_last && c.wrap == LANES && !j->divisor;
    return (tile){j, c, at, n, begin, least(LANES, positions_of(p) - begin), offset, direct};
}

/* Bring weights and gradients of the outputs into vectors, [position][k] and [position][m]. */
static void gather_tile(const tile *t) {
    const problem *p = t->j->p;
    const chunk c = t->c;
    const index_t positions = positions_of(p), k_count = neighbours_of(p), repeated = c.folds * c.wrap;
    const steps step = weight_steps(p), map = map_steps(p, positions, p->grad_last), plane = {positions, 1};
    const REAL *grad = t->j->grad + t->n * p->channels * positions + t->begin * map.position;
    for (index_t m = 0; m < c.vectors; m++) {
        const index_t lanes = lanes_of(p, c, m);
        const REAL *from = grad + channel_of(p, c, m) * map.lane;
        gather(from, map, t->count, lanes, lanes, t->at.grads + m, c.vectors);
    }
    if (t->direct || !(t->j->grad_x || t->j->divisor)) return;
    for (index_t k = 0; k < k_count; k++) {
        const REAL *from = t->j->weight + t->offset + k * weight_k_step(p);
        gather(from, step, t->count, repeated, c.wrap, t->at.weights + k, k_count);
    }
    if (!t->j->divisor) return;
    const REAL *divisor = t->j->divisor + (t->n * p->groups + c.first) * positions + t->begin;
    gather(divisor, plane, t->count, repeated, c.wrap, t->at.divisors, 1);
    for (index_t i = 0; i < t->count; i++) softmax_again(t->at.weights + i * k_count, k_count, t->at.divisors[i]);
}

static position position_at(const tile *t, index_t i) {
    const problem *p = t->j->p;
    const geometry *g = &p->window;
    const index_t y = (t->begin + i) / g->out_width * g->stride, x = (t->begin + i) % g->out_width * g->stride;
    const index_t cell = (y * padded_width(g) + x) * t->c.vectors, k_count = neighbours_of(p);
    const index_t far = t->offset + i * weight_steps(p).position;
    const vector *grad = t->at.grads + i * t->c.vectors, *near = t->at.padded + cell;
    if (t->direct)
        return (position){g, grad, near, t->at.sums + cell, t->j->weight + far, t->j->grad_weight + far, t->c.vectors,
                          p->groups};
    REAL *weight = (REAL *)(t->at.weights + i * k_count), *weight_grad = (REAL *)(t->at.weight_grads + i * k_count);
    return (position){g, grad, near, t->at.sums + cell, weight, weight_grad, t->c.vectors, LANES};
}

/* From the gradient of the softmax's weights to that of its logits, in place. */
static void softmax_gradient(const vector *weights, vector *grads, index_t k_count) {
    vector mean = {0};
    for (index_t k = 0; k < k_count; k++) mean += weights[k] * grads[k];
    for (index_t k = 0; k < k_count; k++) grads[k] = weights[k] * (grads[k] - mean);
}

/* Weights' gradients of all positions first, then the neighbours': both at once would not fit the innermost cache. */
static void spread_tile(const tile *t) {
    const job *j = t->j;
    const index_t k_count = neighbours_of(j->p);
    for (index_t i = 0; i < t->count && j->grad_weight; i++) {
        const position here = position_at(t, i);
        call_weights(j->p, t->c, j->grad_weight + t->offset, i);
        spread_all(0, &here);
        if (t->direct) continue;
        vector *grads = t->at.weight_grads + i * k_count;
        fold_all(t->c, grads, k_count);
        if (j->divisor) softmax_gradient(t->at.weights + i * k_count, grads, k_count);
    }
    for (index_t i = 0; i < t->count && j->grad_x; i++) {
        const position here = position_at(t, i);
        call_weights(j->p, t->c, j->weight + t->offset, i);
        spread_all(1, &here);
    }
    for (index_t k = 0; k < k_count && j->grad_weight && !t->direct; k++) {
        REAL *to = j->grad_weight + t->offset + k * weight_k_step(j->p);
        scatter(t->at.weight_grads + k, k_count, t->count, t->c.wrap, to, weight_steps(j->p));
    }
}

/* `together` chunks of sample n, from `first` on. */
static void spread_chunks(const job *j, index_t n, index_t first, index_t together, places at) {
    const problem *p = j->p;
    const geometry *g = &p->window;
    const index_t cells = cells_of(p, padded_height(g)), sample = n * p->channels * g->height * g->width;
    for (index_t q = 0; q < together && j->grad_weight; q++)
        fill_padded(p, chunk_at(p, first + q), j->x + sample, 0, padded_height(g), at.padded + q * cells);
    if (j->grad_x) set_cells(0, at.sums, together * cells);
    for (index_t begin = 0; begin < positions_of(p); begin += LANES)
        for (index_t q = 0; q < together; q++) {
            places here = at;
            here.padded += q * cells, here.sums += q * cells;
            const tile t = tile_at(j, chunk_at(p, first + q), here, n, begin);
            gather_tile(&t);
            spread_tile(&t);
        }
    for (index_t q = 0; q < together && j->grad_x; q++)
        fold_padded(p, chunk_at(p, first + q), at.sums + q * cells, j->grad_x + sample);
}

/* grad [N, C, P], x [N, C, H, W], weight [N, G, K, P], divisor [N, G, P] or NULL (weight is used as it is), grad_x as x
   but with positions side by side, grad_weight as weight, either may be NULL; `pitch` numbers of scratch a thread. */
EXPORT void aggregation_backward(const REAL *grad, const REAL *x, const REAL *weight, const REAL *divisor, REAL *grad_x,
                                 REAL *grad_weight, REAL *memory, const problem *p, index_t pitch, index_t threads) {
    const job j = {p, grad, x, weight, divisor, grad_x, grad_weight};
    const index_t together = chunks_together(p, threads), parts = chunk_count(p) / together;
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (index_t task = 0; task < p->batch * parts; task++) {
        scratch own = {memory + omp_get_thread_num() * pitch, 0};
        spread_chunks(&j, task / parts, task % parts, together, lay_out(p, together, &own));
    }
}
