/* Gradients of the patchwise relation. Those of its maps, scale and shift go through tiles of rows, value by value;
   that of hidden, as large as hidden itself, is summed value by value over all rows, so that no task needs one of its
   own. */
#ifndef LANE_BYTES
#define BODY "patch_relation_backward.c"
#include "widths.h"
#else

#include "patch_relation.h"

#define patch_relation_gradient AT(patch_relation_gradient)
#define value_gradient AT(value_gradient)
#define patch_relation_gradient_tile AT(patch_relation_gradient_tile)
#define hidden_gradient AT(hidden_gradient)
#define take_relation_gradient AT(take_relation_gradient)
#define gather_values AT(gather_values)
#define HIDDEN_ROWS 256

typedef struct {
    patch_maps maps;
    map_gradient psi;
    REAL *grad, *across;         /* [N][P] rows of S; hidden as [J] S rows of R */
    REAL *scale, *shift;         /* [task][J] rows of R */
    REAL *phi;                   /* the result itself, [N][R][H][W], zero at first */
    REAL *hidden;                /* [J] R rows of S */
    REAL *space;                 /* of each thread: HIDDEN_ROWS (or the rows of a tile) rows of R */
} patch_relation_gradient;

/* From the gradient of relu(scale * value + shift), rows of R, to those of value j, scale and shift; one vector. */
INLINE void value_gradient(const patch_relation_gradient *o, const patch_tile *t, index_t j, index_t v,
                           const REAL *rows) {
    const problem *q = t->problem;
    const index_t length = q->wide_relations, values = q->neighbours + 1, slice = t->piece.slice;
    const index_t sums = (t->piece.task * values + j) * length + v;
    const vector scale = CONSTANT_VECTOR(o->maps.scale + j * length + v);
    const vector shift = CONSTANT_VECTOR(o->maps.shift + j * length + v);
    vector of_scale = {0}, of_shift = {0};
    for (index_t n = t->begin; n < t->begin + t->samples; n++) {
        REAL *psi = sample_gradient(&o->psi, q, slice, n) + v;
        for (index_t p = t->first; p < t->first + t->count; p++, rows += length) {
            const vector value = CONSTANT_VECTOR(value_row(q, &o->maps, n, p, j) + v);
            const vector grad = where_positive(CONSTANT_VECTOR(rows), scale * value + shift), back = grad * scale;
            of_scale += grad * value;
            of_shift += grad;
            if (j) {
                VECTOR(psi + own_row(o->maps.cells[p * q->neighbours + j - 1], o->psi.skip[slice]) * length) += back;
                continue;
            }
            REAL *phi = o->phi + (n * q->relations + v) * q->cells + centre_cell(q->window, p) - 1;
            for (index_t l = 0; l < least(LANES, q->relations - v); l++) phi[l * q->cells] = back[l];
        }
    }
    if (!t->fresh) of_scale += CONSTANT_VECTOR(o->scale + sums), of_shift += CONSTANT_VECTOR(o->shift + sums);
    VECTOR(o->scale + sums) = of_scale;
    VECTOR(o->shift + sums) = of_shift;
}

static void patch_relation_gradient_tile(void *operation, patch_tile *t) {
    const patch_relation_gradient *o = operation;
    const problem *q = t->problem;
    const index_t length = q->wide_relations;
    for (index_t n = t->begin; t->opening && n < t->begin + t->samples; n++)
        zero_gradient(&o->psi, q, t->piece.slice, n);
    for (index_t j = 0; j <= q->neighbours; j++) {
        multiply((gemm){.rows = t->rows, .columns = length, .length = q->hidden, .a = o->grad + t->row * q->wide_hidden,
                        .a_row = q->wide_hidden, .a_step = 1, .b = o->across + j * q->hidden * length, .b_row = length,
                        .c = t->space, .c_row = length});
        for (index_t v = 0; v < length; v += LANES) value_gradient(o, t, j, v, t->space + v);
    }
}

/* o->hidden[j][r][s] = sum over all rows of relu(scale * value j + shift)[r] * grad[s]. */
static void hidden_gradient(const problem *q, const patch_relation_gradient *o) {
    const index_t length = q->wide_relations, rows = q->samples * q->positions, wide = q->wide_hidden;
#pragma omp parallel for schedule(dynamic) num_threads(q->threads)
    for (index_t j = 0; j <= q->neighbours; j++) {
        REAL *normed = o->space + omp_get_thread_num() * HIDDEN_ROWS * length;
        REAL *sum = o->hidden + j * q->relations * wide;
        for (index_t first = 0; first < rows; first += HIDDEN_ROWS) {
            const index_t some = least(HIDDEN_ROWS, rows - first);
            for (index_t i = 0; i < some; i++) {
                const index_t n = (first + i) / q->positions, p = (first + i) % q->positions;
                const REAL *value = value_row(q, &o->maps, n, p, j);
                for (index_t v = 0; v < length; v += LANES)
                    VECTOR(normed + i * length + v) =
                        relu(CONSTANT_VECTOR(o->maps.scale + j * length + v) * CONSTANT_VECTOR(value + v) +
                             CONSTANT_VECTOR(o->maps.shift + j * length + v));
            }
            multiply((gemm){.rows = q->relations, .columns = wide, .length = some, .a = normed, .a_row = 1,
                            .a_step = length, .b = o->grad + first * wide, .b_row = wide, .init = first ? sum : 0,
                            .init_row = wide, .c = sum, .c_row = wide});
        }
    }
}

/* grad [R][J] = parts [task][J] rows of R, added. */
static void gather_values(const problem *q, const REAL *parts, REAL *grad) {
    const index_t values = q->neighbours + 1;
    for (index_t r = 0; r < q->relations; r++)
        for (index_t j = 0; j < values; j++) {
            double sum = 0;
            for (index_t task = 0; task < tasks(q); task++) sum += parts[(task * values + j) * q->wide_relations + r];
            grad[r * values + j] = sum;
        }
}

static patch_relation_gradient take_relation_gradient(const problem *q, REAL *grad_phi, scratch *from) {
    const index_t values = q->neighbours + 1, parts = tasks(q) * values * q->wide_relations;
    return (patch_relation_gradient){
        .maps = take_patch_maps(q, from),
        .psi = take_map_gradient(q, relation_rows(q), from),
        .grad = take(from, q->samples * q->positions * q->wide_hidden),
        .across = take(from, values * q->hidden * q->wide_relations),
        .scale = take(from, parts),
        .shift = take(from, parts),
        .phi = grad_phi,
        .hidden = take(from, values * q->relations * q->wide_hidden),
        .space = take(from, q->threads * most(HIDDEN_ROWS, rows_at_once(q, RELATION_ROWS)) * q->wide_relations),
    };
}

/* grad [N][S][P] and the arguments of patch_relation; gradients in the order of its inputs. grad_phi must be zero. */
EXPORT int64_t AT(patch_relation_backward)(const geometry *w, int64_t n, int64_t r, int64_t s, const REAL *grad,
                                           const REAL *phi, const REAL *psi, const REAL *scale, const REAL *shift,
                                           const REAL *hidden, REAL *grad_phi, REAL *grad_psi, REAL *grad_scale,
                                           REAL *grad_shift, REAL *grad_hidden, REAL *memory, int64_t threads) {
    problem q = sizes_of(w, n, 0, 0, r, s, threads);
    scratch from = scratch_in(memory);
    const index_t values = q.neighbours + 1;
    cut_rows_for_sums(&q, RELATION_ROWS);
    patch_relation_gradient o = take_relation_gradient(&q, grad_phi, &from);
    if (!memory) return needed(&from);
    fill_patch_maps(&q, &o.maps, phi, psi, scale, shift);
    all_rows(&q, hidden_rows(&q), grad, o.grad);
    by_value(&q, s, s, r, hidden, r * values, values, o.across);
    patch_run(&q, RELATION_ROWS, o.space, rows_at_once(&q, RELATION_ROWS) * q.wide_relations,
              patch_relation_gradient_tile, &o);
    hidden_gradient(&q, &o);
    gather_map_gradient(&o.psi, &q, grad_psi);
    gather_values(&q, o.scale, grad_scale);
    gather_values(&q, o.shift, grad_shift);
    from_value(&q, r, s, o.hidden, grad_hidden);
    return 0;
}

#endif
