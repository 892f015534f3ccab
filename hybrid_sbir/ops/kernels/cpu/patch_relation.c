/* h [N][S][P] = sum over relations and values of hidden . relu(scale * value + shift). */
#ifndef LANE_BYTES
#define BODY "patch_relation.c"
#include "widths.h"
#else

#include "patch_relation.h"

#define patch_relation_data AT(patch_relation_data)
#define values_at_once AT(values_at_once)
#define normed_values AT(normed_values)
#define patch_relation_tile AT(patch_relation_tile)

typedef struct {
    patch_maps maps;
    REAL *hidden; /* [J] R rows of S */
    REAL *h;
} patch_relation_data;

/* Values whose relations fit in a part of the second cache with a tile's rows; the same however the rows are cut. */
INLINE index_t values_at_once(const problem *q) {
    const index_t bytes = RELATION_ROWS * q->wide_relations * (index_t)sizeof(REAL);
    return most(1, least(q->neighbours + 1, 64 * 1024 / bytes));
}

/* normed[row][j][r] = relu(scale * value + shift) for j = first ... last. */
INLINE void normed_values(const patch_tile *t, const patch_maps *m, index_t first, index_t last, REAL *normed) {
    const problem *q = t->problem;
    const index_t length = q->wide_relations;
    for (index_t n = t->begin; n < t->begin + t->samples; n++)
        for (index_t p = t->first; p < t->first + t->count; p++)
            for (index_t j = first; j < last; j++, normed += length) {
                const REAL *value = value_row(q, m, n, p, j);
                for (index_t v = 0; v < length; v += LANES)
                    VECTOR(normed + v) = relu(CONSTANT_VECTOR(m->scale + j * length + v) * CONSTANT_VECTOR(value + v) +
                                              CONSTANT_VECTOR(m->shift + j * length + v));
            }
}

static void patch_relation_tile(void *operation, patch_tile *t) {
    const patch_relation_data *o = operation;
    const problem *q = t->problem;
    const index_t values = q->neighbours + 1, some = values_at_once(q), wide = q->wide_hidden;
    REAL *h = t->space, *normed = h + rows_at_once(q, RELATION_ROWS) * wide;
    for (index_t j = 0; j < values; j += some) {
        const index_t last = least(values, j + some), length = (last - j) * q->wide_relations;
        normed_values(t, &o->maps, j, last, normed);
        multiply((gemm){.rows = t->rows, .columns = wide, .length = length, .a = normed, .a_row = length, .a_step = 1,
                        .b = o->hidden + j * q->wide_relations * wide, .b_row = wide, .init = j ? h : 0,
                        .init_row = wide, .c = h, .c_row = wide});
    }
    tile_to_planes(t, hidden_rows(q), h, o->h);
}

/* phi, psi [N][R][H][W], scale, shift [R][J], hidden [S][R][J]. Without memory: how much it needs, in numbers. */
EXPORT int64_t AT(patch_relation)(const geometry *w, int64_t n, int64_t r, int64_t s, const REAL *phi, const REAL *psi,
                                  const REAL *scale, const REAL *shift, const REAL *hidden, REAL *h, REAL *memory,
                                  int64_t threads) {
    problem q = sizes_of(w, n, 0, 0, r, s, threads);
    scratch from = scratch_in(memory);
    const index_t values = q.neighbours + 1;
    cut_rows_freely(&q, RELATION_ROWS);
    patch_relation_data o = {take_patch_maps(&q, &from), take(&from, values * q.wide_relations * q.wide_hidden), h};
    const index_t length =
        rows_at_once(&q, RELATION_ROWS) * (q.wide_hidden + values_at_once(&q) * q.wide_relations);
    REAL *space = take(&from, threads * length);
    if (!memory) return needed(&from);
    fill_patch_maps(&q, &o.maps, phi, psi, scale, shift);
    by_value(&q, r, q.wide_relations, s, hidden, values, r * values, o.hidden);
    patch_run(&q, RELATION_ROWS, space, length, patch_relation_tile, &o);
    return 0;
}

#endif
