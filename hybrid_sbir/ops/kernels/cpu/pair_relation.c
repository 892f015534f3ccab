/* z = hidden . relu(phi - psi) + position, [N][S][K][P]. */
#ifndef LANE_BYTES
#define BODY "pair_relation.c"
#include "widths.h"
#else

#include "pair_tile.h"

#define relation_tile AT(relation_tile)

static void relation_tile(void *z, pair_tile *t, index_t n) {
    const problem *q = t->problem;
    pair_difference(t, n);
    pair_hidden(t, 0);
    for (index_t s = 0; s < q->hidden; s++)
        for (index_t k = 0; k < q->neighbours; k++) {
            REAL *to = (REAL *)z + ((n * q->hidden + s) * q->neighbours + k) * q->positions + t->first;
            const REAL *from = t->hidden + k * q->wide_hidden + s;
            for (index_t i = 0; i < t->count; i++) to[i] = from[i * q->neighbours * q->wide_hidden];
        }
}

/* phi, psi [N][R][H][W], position [S][K][P], hidden [S][R]. Without memory: how much it needs, in numbers. */
EXPORT int64_t AT(pair_relation)(const geometry *w, int64_t n, int64_t r, int64_t s, const REAL *phi, const REAL *psi,
                                 const REAL *position, const REAL *hidden, REAL *z, REAL *memory, int64_t threads) {
    problem q = sizes_of(w, n, 0, 0, r, s, threads);
    scratch from = scratch_in(memory);
    choose_tile(&q);
    cut_freely(&q);
    pair_maps maps = take_pair_maps(&q, &from);
    if (!memory) return needed(&from);
    fill_pair_maps(&q, &maps, phi, psi, position, 0, 0, hidden);
    pair_run(&q, &maps, relation_tile, z);
    return 0;
}

#endif
