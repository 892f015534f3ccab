/* What the patchwise attention and its gradients share. No guard: included once for each width of vectors.

   The weights of a row are [K] rows of G, in one product: hidden . output + bias. */
#include "patch_tile.h"
#include "attention.h"

#define patch_weights AT(patch_weights)
#define take_patch_weights AT(take_patch_weights)
#define fill_patch_weights AT(fill_patch_weights)
#define weights_length AT(weights_length)
#define weight_rows AT(weight_rows)
#define tile_weights AT(tile_weights)

typedef struct {
    REAL *x;              /* a map in rows */
    REAL *hidden;         /* [N][P] rows of S */
    REAL *output, *bias;  /* pairs of vectors of [K] rows of G, for each of which S rows; [K] rows of G */
    int32_t *cells;       /* [P][K] */
} patch_weights;

INLINE index_t weights_length(const problem *q) { return q->neighbours * q->wide_groups; }

/* Rows of a tile: as many as fit, in blocks that a product likes. */
INLINE index_t weight_rows(const problem *q) {
    const index_t bytes = sizeof(REAL) * (weights_length(q) + q->wide_length);
    return most(24, least(96, TILE_BYTES / bytes / 6 * 6));
}

static patch_weights take_patch_weights(const problem *q, scratch *from) {
    const index_t pairs = pieces_of(weights_length(q), 2 * LANES);
    return (patch_weights){
        .x = take(from, q->samples * (q->cells + 1) * q->wide_length),
        .hidden = take(from, q->samples * q->positions * q->wide_hidden),
        .output = take(from, pairs * q->hidden * 2 * LANES),
        .bias = take(from, weights_length(q)),
        .cells = (int32_t *)take(from, q->positions * q->neighbours),
    };
}

/* x [N][C][H][W], hidden [N][S][P], output [G][K][S], bias [G][K]. */
static void fill_patch_weights(const problem *q, patch_weights *m, const REAL *x, const REAL *hidden,
                               const REAL *output, const REAL *bias) {
    const index_t k = q->neighbours, s = q->hidden, pair = 2 * LANES;
    maps_to_rows(feature_rows(q), q->samples, q->cells, x, m->x, q->threads);
    all_rows(q, hidden_rows(q), hidden, m->hidden);
    pack(k, q->groups, bias, 1, k, m->bias);
    neighbour_cells(q->window, m->cells);
    for (index_t column = 0; column < pieces_of(weights_length(q), pair) * pair; column++) {
        const index_t neighbour = column / q->wide_groups, group = column % q->wide_groups;
        REAL *to = m->output + column / pair * pair * s + column % pair;
        for (index_t i = 0; i < s; i++)
            to[i * pair] = group < q->groups && neighbour < k ? output[(group * k + neighbour) * s + i] : 0;
    }
}

/* weights[row] = hidden[row] . output + bias. */
INLINE void tile_weights(const patch_tile *t, const patch_weights *m, REAL *weights) {
    const problem *q = t->problem;
    multiply((gemm){.rows = t->rows, .columns = weights_length(q), .length = q->hidden,
                    .a = m->hidden + t->row * q->wide_hidden, .a_row = q->wide_hidden, .a_step = 1, .b = m->output,
                    .b_row = 2 * LANES, .b_panel = q->hidden * 2 * LANES, .init = m->bias, .c = weights,
                    .c_row = weights_length(q)});
}
