/* What the patchwise relation and its gradients share. No guard: included once for each width of vectors.

   Its J = K + 1 values are phi at the centre and the K neighbours of psi. */
#include "patch_tile.h"

#define patch_maps AT(patch_maps)
#define take_patch_maps AT(take_patch_maps)
#define fill_patch_maps AT(fill_patch_maps)
#define value_row AT(value_row)
#define by_value AT(by_value)
#define from_value AT(from_value)
#define RELATION_ROWS 48

typedef struct {
    REAL *phi, *psi;      /* maps in rows */
    REAL *scale, *shift;  /* [J] rows of R */
    int32_t *cells;       /* [P][K] */
} patch_maps;

static patch_maps take_patch_maps(const problem *q, scratch *from) {
    const index_t map = q->samples * (q->cells + 1) * q->wide_relations;
    const index_t values = (q->neighbours + 1) * q->wide_relations;
    return (patch_maps){
        .phi = take(from, map), .psi = take(from, map), .scale = take(from, values), .shift = take(from, values),
        .cells = (int32_t *)take(from, q->positions * q->neighbours),
    };
}

/* From planes [N][R][H][W] and [R][J]. */
static void fill_patch_maps(const problem *q, patch_maps *m, const REAL *phi, const REAL *psi, const REAL *scale,
                            const REAL *shift) {
    const index_t values = q->neighbours + 1;
    maps_to_rows(relation_rows(q), q->samples, q->cells, phi, m->phi, q->threads);
    maps_to_rows(relation_rows(q), q->samples, q->cells, psi, m->psi, q->threads);
    pack(values, q->relations, scale, 1, values, m->scale);
    pack(values, q->relations, shift, 1, values, m->shift);
    neighbour_cells(q->window, m->cells);
}

/* The row of value j at position p of sample n. */
INLINE const REAL *value_row(const problem *q, const patch_maps *m, index_t n, index_t p, index_t j) {
    const index_t cell = j ? m->cells[p * q->neighbours + j - 1] : centre_cell(q->window, p);
    return (j ? m->psi : m->phi) + (n * (q->cells + 1) + cell) * q->wide_relations;
}

/* parts[j][row][column] = matrix[row * row_step + column * column_step + j] for j < J; rows and columns filled up
   with zeros. The innermost loop of 16 columns reads and writes whole lines of the cache. */
static inline void by_value(const problem *q, index_t rows, index_t wide_rows, index_t columns, const REAL *matrix,
                            index_t row_step, index_t column_step, REAL *parts) {
    const index_t values = q->neighbours + 1, wide = padded(columns);
#pragma omp parallel for schedule(static) num_threads(q->threads)
    for (index_t row = 0; row < wide_rows; row++)
        for (index_t first = 0; first < wide; first += 16)
            for (index_t j = 0; j < values; j++)
                for (index_t v = first; v < least(wide, first + 16); v++)
                    parts[(j * wide_rows + row) * wide + v] =
                        row < rows && v < columns ? matrix[row * row_step + v * column_step + j] : 0;
}

/* matrix [columns][rows][J] = parts [J][rows][columns in whole vectors]. */
static inline void from_value(const problem *q, index_t rows, index_t columns, const REAL *parts, REAL *matrix) {
    const index_t values = q->neighbours + 1, wide = padded(columns);
#pragma omp parallel for schedule(static) num_threads(q->threads)
    for (index_t row = 0; row < rows; row++)
        for (index_t first = 0; first < columns; first += 16)
            for (index_t j = 0; j < values; j++)
                for (index_t v = first; v < least(columns, first + 16); v++)
                    matrix[(v * rows + row) * values + j] = parts[(j * rows + row) * wide + v];
}
