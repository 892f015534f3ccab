/* Gradients of the moments of z = hidden . relu(phi - psi) + position; z is computed again.

   Its gradient is a + b * (z - mean), with a = grad_mean / count and b = 2 * grad_variance / count. */
#ifndef LANE_BYTES
#define BODY "pair_moments_backward.c"
#include "widths.h"
#else

#include "pair_gradient.h"

#define moments_gradient AT(moments_gradient)
#define moments_gradient_tile AT(moments_gradient_tile)

typedef struct {
    pair_gradient gradient;
    REAL *a, *b, *mean; /* rows of S */
} moments_gradient;

static void moments_gradient_tile(void *operation, pair_tile *t, index_t n) {
    const moments_gradient *o = operation;
    const problem *q = t->problem;
    pair_difference(t, n);
    pair_hidden(t, 0);
    for (index_t v = 0; v < q->wide_hidden; v += LANES) {
        const vector a = CONSTANT_VECTOR(o->a + v), b = CONSTANT_VECTOR(o->b + v), mean = CONSTANT_VECTOR(o->mean + v);
        for (index_t j = 0; j < t->columns; j++) {
            REAL *at = t->hidden + j * q->wide_hidden + v;
            VECTOR(at) = a + b * (CONSTANT_VECTOR(at) - mean);
        }
    }
    relation_backward(&o->gradient, t, n);
}

/* grad_mean, grad_variance, mean [S]; the rest as in pair_moments. grad_phi must be zero. */
EXPORT int64_t AT(pair_moments_backward)(const geometry *w, int64_t n, int64_t r, int64_t s, const REAL *grad_mean,
                                         const REAL *grad_variance, const REAL *mean, const REAL *phi, const REAL *psi,
                                         const REAL *position, const REAL *hidden, REAL *grad_phi, REAL *grad_psi,
                                         REAL *grad_position, REAL *grad_hidden, REAL *memory, int64_t threads) {
    problem q = sizes_of(w, n, 0, 0, r, s, threads);
    scratch from = scratch_in(memory);
    cut_for_sums(&q);
    pair_maps maps = take_pair_maps(&q, &from);
    moments_gradient o = {.gradient = take_pair_gradient(&q, grad_phi, &from)};
    o.a = take(&from, q.wide_hidden);
    o.b = take(&from, q.wide_hidden);
    o.mean = take(&from, q.wide_hidden);
    if (!memory) return needed(&from);
    fill_pair_maps(&q, &maps, phi, psi, position, 0, 0, hidden);
    pack(s, r, hidden, r, 1, o.gradient.weight);
    pack(1, s, grad_mean, 0, 1, o.a);
    pack(1, s, grad_variance, 0, 1, o.b);
    pack(1, s, mean, 0, 1, o.mean);
    const double count = (double)n * q.neighbours * q.positions;
    for (index_t i = 0; i < s; i++) o.a[i] /= count, o.b[i] *= 2 / count;
    pair_run(&q, &maps, moments_gradient_tile, &o);
    gather_pair_gradient(&q, &o.gradient, grad_psi, grad_position, grad_hidden);
    return 0;
}

#endif
