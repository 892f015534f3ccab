/* y[n, c, p] = sum over k of weight[n, c mod groups, k, p] * x[n, c, k-th neighbour of p], or with the softmax of
   logits as weights. n batch, c channel, k = ky * kernel + kx, p = y * out_width + x. A task is some rows of a sample.
*/
#include "padded.h"
#include "scratch.h"
#include "softmax.h"

/* The rows of a padded map that a task works on; more would not stay in a core's own cache. */
#define PADDED_BYTES (2 << 20)

typedef struct {
    vector *padded, *weights, *sums, *divisors;
} places;

static places lay_out(const problem *p, index_t rows, scratch *from) {
    const index_t vectors = chunk_at(p, 0).vectors;
    places at;
    at.padded = (vector *)take(from, chunk_count(p) * cells_of(p, rows_seen(&p->window, rows)) * LANES);
    at.weights = (vector *)take(from, LANES * neighbours_of(p) * LANES);
    at.sums = (vector *)take(from, LANES * vectors * LANES);
    at.divisors = (vector *)take(from, LANES * LANES);
    return at;
}

/* Rows of outputs of a task: few enough for the cache, and that every thread finds some tasks. */
EXPORT int64_t aggregation_rows(const problem *p, index_t threads) {
    const geometry *g = &p->window;
    const index_t tasks = p->batch + !p->batch; /* never 0 */
    const index_t parts = tasks >= 4 * threads ? 1 : 4 * threads / tasks;
    const index_t row = (chunk_count(p) * cells_of(p, 1) + !p->channels) * LANE_BYTES;
    const index_t fitting = (PADDED_BYTES / row - rows_seen(g, 1)) / g->stride + 1;
    const index_t rows = least(fitting, (g->out_height + parts - 1) / parts);
    const index_t fewest = least(g->out_height, g->kernel); /* with fewer, most of the work would be the border */
    return rows > fewest ? rows : fewest;
}

/* Numbers of scratch that each thread needs for tasks of `rows` rows. */
EXPORT int64_t aggregation_scratch(const problem *p, index_t rows, index_t threads) {
    (void)threads;
    scratch counted = {0, 0};
    lay_out(p, rows, &counted);
    return counted.used;
}

/* The weighted sum of `count` vectors (a constant, so that they stay in registers) at one position. */
INLINE void weigh(const index_t count, const vector *near, const geometry *g, index_t vectors, const REAL *weight,
                  index_t weight_step, vector *to) {
    const index_t column = g->dilation * vectors, row = g->dilation * (padded_width(g) - g->kernel) * vectors;
    vector sum[8] = {{0}};
    for (index_t ky = 0; ky < g->kernel; ky++, near += row)
        for (index_t kx = 0; kx < g->kernel; kx++, near += column, weight += weight_step) {
            const vector w = load(weight);
            for (index_t m = 0; m < count; m++) sum[m] += w * near[m];
        }
    for (index_t m = 0; m < count; m++) to[m] = sum[m];
}

static void weigh_all(const vector *near, const geometry *g, index_t vectors, const REAL *weight, index_t step,
                      vector *to) {
    index_t m = 0;
    for (; m + 8 <= vectors; m += 8) weigh(8, near + m, g, vectors, weight, step, to + m);
    if (vectors & 4) weigh(4, near + m, g, vectors, weight, step, to + m), m += 4;
    if (vectors & 2) weigh(2, near + m, g, vectors, weight, step, to + m), m += 2;
    if (vectors & 1) weigh(1, near + m, g, vectors, weight, step, to + m);
}

/* Bring the weights of some positions into vectors, [position][k]. */
static void gather_weights(const problem *p, chunk c, const REAL *weight, index_t count, places at) {
    const steps step = weight_steps(p);
    const index_t k_count = neighbours_of(p);
    for (index_t k = 0; k < k_count; k++)
        gather(weight + k * weight_k_step(p), step, count, c.folds * c.wrap, c.wrap, at.weights + k, k_count);
}

typedef struct {
    const problem *p;
    const REAL *x, *weight;
    REAL *y, *divisor; /* divisor: NULL without a softmax */
    index_t rows;
} job;

/* Up to LANES positions from `begin` on; the padded rows start at row `first` of the map. */
static void aggregate_some(const job *j, chunk c, index_t n, index_t begin, index_t count, index_t first, places at) {
    const problem *p = j->p;
    const geometry *g = &p->window;
    const index_t k_count = neighbours_of(p), positions = positions_of(p);
    const steps step = weight_steps(p), map = map_steps(p, positions, 0);
    const REAL *weight = j->weight + n * p->groups * k_count * positions + c.first * step.lane + begin * step.position;
    const int direct = p->weight_last && c.wrap == LANES && !j->divisor;
    if (!direct) gather_weights(p, c, weight, count, at);
    for (index_t i = 0; i < count; i++) {
        const index_t y = (begin + i) / g->out_width * g->stride - first, x = (begin + i) % g->out_width * g->stride;
        const vector *near = at.padded + (y * padded_width(g) + x) * c.vectors;
        call_weights(p, c, weight, i);
        if (j->divisor) at.divisors[i] = softmax(at.weights + i * k_count, k_count);
        if (direct) weigh_all(near, g, c.vectors, weight + i * step.position, p->groups, at.sums + i * c.vectors);
        else weigh_all(near, g, c.vectors, (REAL *)(at.weights + i * k_count), LANES, at.sums + i * c.vectors);
    }
    for (index_t m = 0; m < c.vectors; m++) {
        REAL *y = j->y + (n * p->channels + channel_of(p, c, m)) * positions + begin;
        scatter(at.sums + m, c.vectors, count, lanes_of(p, c, m), y, map);
    }
    if (j->divisor)
        scatter(at.divisors, 1, count, c.wrap, j->divisor + (n * p->groups + c.first) * positions + begin, map);
}

/* All chunks go over the positions together: side by side, weights of the next chunk lie next to those of this one. */
static void aggregate_rows(const job *j, index_t n, index_t part, places at) {
    const geometry *g = &j->p->window;
    const index_t begin = part * j->rows, rows = least(j->rows, g->out_height - begin), first = begin * g->stride;
    const index_t seen = rows_seen(g, rows), cells = cells_of(j->p, seen), end = (begin + rows) * g->out_width;
    const REAL *x = j->x + n * j->p->channels * g->height * g->width;
    for (index_t q = 0; q < chunk_count(j->p); q++)
        fill_padded(j->p, chunk_at(j->p, q), x, first, seen, at.padded + q * cells);
    for (index_t position = begin * g->out_width; position < end; position += LANES)
        for (index_t q = 0; q < chunk_count(j->p); q++) {
            places here = at;
            here.padded += q * cells;
            aggregate_some(j, chunk_at(j->p, q), n, position, least(LANES, end - position), first, here);
        }
}

/* x [N, C, H, W], weight [N, G, K, P], y [N, C, P], divisor [N, G, P] or NULL (then weight is used as it is, not its
   softmax); scratch: `pitch` numbers for each thread, of aggregation_scratch(p, rows). */
EXPORT void aggregation(const REAL *x, const REAL *weight, REAL *y, REAL *divisor, REAL *memory, const problem *p,
                        index_t pitch, index_t rows, index_t threads) {
    const job j = {p, x, weight, y, divisor, rows};
    const index_t parts = (p->window.out_height + rows - 1) / rows;
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (index_t task = 0; task < p->batch * parts; task++) {
        scratch own = {memory + omp_get_thread_num() * pitch, 0};
        aggregate_rows(&j, task / parts, task % parts, lay_out(p, rows, &own));
    }
}
