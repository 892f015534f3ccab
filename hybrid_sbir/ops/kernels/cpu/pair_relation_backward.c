/* Gradients of z = hidden . relu(phi - psi) + position. */
#ifndef LANE_BYTES
#define BODY "pair_relation_backward.c"
#include "widths.h"
#else

#include "pair_gradient.h"

#define relation_gradient AT(relation_gradient)
#define relation_gradient_tile AT(relation_gradient_tile)

typedef struct {
    pair_gradient gradient;
    const REAL *grad;
} relation_gradient;

static void relation_gradient_tile(void *operation, pair_tile *t, index_t n) {
    const relation_gradient *o = operation;
    const problem *q = t->problem;
    pair_difference(t, n);
    for (index_t s = 0; s < q->hidden; s++)
        for (index_t k = 0; k < q->neighbours; k++) {
            const REAL *from = o->grad + ((n * q->hidden + s) * q->neighbours + k) * q->positions + t->first;
            REAL *to = t->hidden + k * q->wide_hidden + s;
            for (index_t i = 0; i < t->count; i++) to[i * q->neighbours * q->wide_hidden] = from[i];
        }
    relation_backward(&o->gradient, t, n);
}

/* grad [N][S][K][P]; the rest as in pair_relation. grad_phi must be zero. */
EXPORT int64_t AT(pair_relation_backward)(const geometry *w, int64_t n, int64_t r, int64_t s, const REAL *grad,
                                          const REAL *phi, const REAL *psi, const REAL *hidden, REAL *grad_phi,
                                          REAL *grad_psi, REAL *grad_position, REAL *grad_hidden, REAL *memory,
                                          int64_t threads) {
    problem q = sizes_of(w, n, 0, 0, r, s, threads);
    scratch from = scratch_in(memory);
    cut_for_sums(&q);
    pair_maps maps = take_pair_maps(&q, &from);
    relation_gradient o = {take_pair_gradient(&q, grad_phi, &from), grad};
    if (!memory) return needed(&from);
    fill_pair_maps(&q, &maps, phi, psi, 0, 0, 0, hidden);
    pack(s, r, hidden, r, 1, o.gradient.weight);
    pair_run(&q, &maps, relation_gradient_tile, &o);
    gather_pair_gradient(&q, &o.gradient, grad_psi, grad_position, grad_hidden);
    return 0;
}

#endif
