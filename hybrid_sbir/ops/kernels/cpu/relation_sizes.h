/* Sizes in whole vectors, and parameters as products read them. No guard: included once for each width of vectors. */
#include "lanes.h"
#include "gemm.h"
#include "problem.h"

#define sizes_of AT(sizes_of)
#define pack AT(pack)

static problem sizes_of(const geometry *w, index_t n, index_t c, index_t g, index_t r, index_t s, int64_t threads) {
    return (problem){
        .window = w, .samples = n, .channels = c, .groups = g, .relations = r, .hidden = s, .threads = threads,
        .neighbours = window_size(w), .positions = position_count(w), .cells = cell_count(w),
        .wide_relations = padded(r), .wide_hidden = padded(s), .wide_groups = padded(g),
        .wide_length = g ? c / g * padded(g) : 0, .lanes = LANES,
    };
}

/* b[l][v] = matrix[l * row + v * column] for l < rows, v < columns; in whole vectors, filled up with zeros. */
static inline void pack(index_t rows, index_t columns, const REAL *matrix, index_t row, index_t column, REAL *b) {
    const index_t wide = padded(columns);
    for (index_t l = 0; l < rows; l++)
        for (index_t v = 0; v < wide; v++) b[l * wide + v] = v < columns ? matrix[l * row + v * column] : 0;
}
