/* Backward of the pairwise relation: from the gradient of a tile's hidden rows to everything behind it. No guard:
   included once for each width of vectors.

   Each task adds to memory of its own; the parts are added in a fixed order, so that bits do not depend on threads.
   */
#include "pair_tile.h"
#include "map_gradient.h"

#define pair_gradient AT(pair_gradient)
#define cut_for_sums AT(cut_for_sums)
#define take_pair_gradient AT(take_pair_gradient)
#define add_positions AT(add_positions)
#define add_product AT(add_product)
#define relation_backward AT(relation_backward)
#define gather_parts AT(gather_parts)
#define add_blocks AT(add_blocks)
#define gather_positions AT(gather_positions)
#define gather_pair_gradient AT(gather_pair_gradient)

typedef struct {
    map_gradient psi;
    REAL *position; /* [block][P][K] rows of S */
    REAL *hidden;   /* [task][S] rows of R */
    REAL *weight;   /* the matrix [S] rows of R that the relations were multiplied by */
    REAL *phi;      /* the result itself, [N][R][H][W], zero at first */
} pair_gradient;

/* A slice more costs the lines of the maps that its neighbour slice sees too, a block more sums for all positions. */
static void cut_for_sums(problem *q) {
    const geometry *w = q->window;
    const index_t lines = w->dilation * (w->kernel - 1);
    const index_t slice_cost = q->samples * lines * w->width * (q->wide_relations + q->wide_length);
    const index_t block_cost = q->positions * q->neighbours * q->wide_hidden;
    choose_tile(q);
    cut(q, slice_cost < block_cost ? PIECES : 1, 1);
    cut(q, q->slices, pieces_of(PIECES, q->slices));
    cut(q, pieces_of(PIECES, q->blocks), q->blocks);
}

static pair_gradient take_pair_gradient(const problem *q, REAL *phi, scratch *from) {
    return (pair_gradient){
        .psi = take_map_gradient(q, relation_rows(q), from),
        .position = take(from, q->blocks * q->positions * q->neighbours * q->wide_hidden),
        .hidden = take(from, tasks(q) * q->hidden * q->wide_relations),
        .weight = take(from, q->hidden * q->wide_relations),
        .phi = phi,
    };
}

/* Add the gradient of the hidden rows to that of the positions, which all samples share. */
INLINE void add_positions(const pair_gradient *d, const pair_tile *t, index_t n) {
    const problem *q = t->problem;
    const index_t length = t->columns * q->wide_hidden;
    REAL *sum = d->position + (t->piece.block * q->positions + t->first) * q->neighbours * q->wide_hidden;
    if (n == t->piece.begin)
        memcpy(sum, t->hidden, sizeof(REAL) * length);
    else
        for (index_t i = 0; i < length; i += LANES) VECTOR(sum + i) += CONSTANT_VECTOR(t->hidden + i);
}

/* parts[task][a][b] += sum over the tile's columns of left[column][a] * right[column][b]. */
INLINE void add_product(const pair_tile *t, index_t n, index_t rows, const REAL *left, index_t left_row,
                        const REAL *right, index_t right_row, REAL *parts) {
    REAL *sum = parts + t->piece.task * rows * right_row;
    const int fresh = t->opening && n == t->piece.begin;
    multiply((gemm){.rows = rows, .columns = right_row, .length = t->columns, .a = left, .a_row = 1, .a_step = left_row,
                    .b = right, .b_row = right_row, .init = fresh ? 0 : sum, .init_row = right_row, .c = sum,
                    .c_row = right_row});
}

/* t->hidden holds the gradient of z = weight . difference + position; difference is overwritten by its own gradient.
   */
INLINE void relation_backward(const pair_gradient *d, pair_tile *t, index_t n) {
    const problem *q = t->problem;
    const index_t length = q->wide_relations, skip = d->psi.skip[t->piece.slice];
    REAL *psi = sample_gradient(&d->psi, q, t->piece.slice, n);
    if (t->opening) zero_gradient(&d->psi, q, t->piece.slice, n);
    add_positions(d, t, n);
    add_product(t, n, q->hidden, t->hidden, q->wide_hidden, t->difference, length, d->hidden);
    multiply((gemm){.rows = t->columns, .columns = length, .length = q->hidden, .a = t->hidden, .a_row = q->wide_hidden,
                    .a_step = 1, .b = d->weight, .b_row = length, .c = t->difference, .c_row = length,
                    .sign = t->difference});
    for (index_t i = 0; i < t->count; i++) {
        REAL *phi = d->phi + n * q->relations * q->cells + centre_cell(q->window, t->first + i) - 1;
        for (index_t v = 0; v < length; v += LANES) {
            vector sum = (vector){0};
            for (index_t j = i * q->neighbours; j < (i + 1) * q->neighbours; j++) {
                const vector here = CONSTANT_VECTOR(t->difference + j * length + v);
                VECTOR(psi + own_row(t->source[j], skip) * length + v) -= here;
                sum += here;
            }
            for (index_t l = 0; l < least(LANES, q->relations - v); l++) phi[(v + l) * q->cells] = sum[l];
        }
    }
}

/* grad [rows][columns] = factor[row] (NULL: 1) times the tasks' parts [task][rows][wide], added. */
static void gather_parts(const problem *q, index_t rows, index_t columns, index_t wide, const REAL *parts,
                         const REAL *factor, REAL *grad) {
    for (index_t i = 0; i < rows * columns; i++) {
        double sum = 0;
        for (index_t task = 0; task < tasks(q); task++) sum += parts[(task * rows + i / columns) * wide + i % columns];
        grad[i] = (factor ? factor[i / columns] : 1) * sum;
    }
}

#define BLOCK 16

/* The first block of sums [block][P][K] rows of S gets the others added, for neighbour k and positions first ...
   last. */
INLINE void add_blocks(const problem *q, index_t k, index_t first, index_t last, REAL *sums) {
    const index_t wide = q->wide_hidden, block = q->positions * q->neighbours * wide;
    for (index_t p = first; p < last; p++) {
        REAL *row = sums + (p * q->neighbours + k) * wide;
        for (index_t b = 1; b < q->blocks; b++)
            for (index_t v = 0; v < wide; v += LANES) VECTOR(row + v) += CONSTANT_VECTOR(row + b * block + v);
    }
}

/* grad [S][K][P] = factor[s] (NULL: 1) times the blocks' sums, added. With planes [S][K][P], also norm [K][S]: the
   sum over the positions of sums * planes, and of sums; in 16 chains each, which stand in `chains`, 32 S numbers for
   each thread. */
static void gather_positions(const problem *q, REAL *sums, const REAL *factor, const REAL *planes, double *norm,
                             REAL *chains, REAL *grad) {
    const index_t step = q->neighbours * q->wide_hidden;
#pragma omp parallel for schedule(static) num_threads(q->threads)
    for (index_t k = 0; k < q->neighbours; k++) {
        REAL *own = chains + (planes ? omp_get_thread_num() * 2 * BLOCK * q->hidden : 0);
        if (planes) memset(own, 0, sizeof(REAL) * 2 * BLOCK * q->hidden);
        for (index_t first = 0; first < q->positions; first += BLOCK) {
            const index_t count = least(BLOCK, q->positions - first);
            add_blocks(q, k, first, first + count, sums);
            for (index_t s = 0; s < q->hidden; s++) {
                const index_t at = (s * q->neighbours + k) * q->positions + first;
                const REAL *from = sums + first * step + k * q->wide_hidden + s, by = factor ? factor[s] : 1;
                REAL sum[BLOCK] = {0};
                for (index_t i = 0; i < count; i++) sum[i] = from[i * step];
                for (index_t i = 0; i < count; i++) grad[at + i] = by * sum[i];
                if (!planes) continue;
                REAL *product = own + 2 * BLOCK * s, *total = product + BLOCK;
                for (index_t i = 0; i < count; i++) product[i] += sum[i] * planes[at + i];
                for (index_t i = 0; i < BLOCK; i++) total[i] += sum[i];
            }
        }
        for (index_t i = 0; planes && i < 2 * q->hidden; i++) {
            norm[2 * k * q->hidden + i] = 0;
            for (index_t j = 0; j < BLOCK; j++) norm[2 * k * q->hidden + i] += own[BLOCK * i + j];
        }
    }
}

/* psi [N][R][H][W], position [S][K][P], hidden [S][R]. */
static inline void gather_pair_gradient(const problem *q, const pair_gradient *d, REAL *psi, REAL *position,
                                        REAL *hidden) {
    gather_map_gradient(&d->psi, q, psi);
    gather_positions(q, d->position, 0, 0, 0, 0, position);
    gather_parts(q, q->hidden, q->relations, q->wide_relations, d->hidden, 0, hidden);
}
