/* A small matrix product for operands that lie in the cache: c = epilogue(init + a . b). No guard: included once for
   each width of vectors.

   A block of 6 (or 8) rows and 2 vectors of c stays in registers; each step reads 2 vectors of b and one number of a
   for each row. a may be read along or across: the same loop serves a . b and a^T . b. */

#define gemm AT(gemm)
#define multiply AT(multiply)

/* c[i][v] = init[i][v] + sum over l of a[i * a_row + l * a_step] * b[l][v], for i < rows, l < length, v < columns.
   The sum is added to init as a whole: where init is c, long sums come in parts, with fewer roundings at their full
   size. */
typedef struct {
    index_t rows, columns, length; /* columns: whole vectors */
    const REAL *a;
    index_t a_row, a_step; /* one of them is 1 */
    const REAL *b;
    index_t b_row, b_panel; /* b_panel: from one pair of vectors of b to the next; 0 where its rows are whole */
    const REAL *init;       /* NULL: zero */
    index_t init_row;       /* 0: the same row for all */
    REAL *c;
    index_t c_row;
    int clip;               /* c = max(c, 0) */
    const REAL *sign;       /* c = 0 where this, laid out as c, is not positive; NULL: everywhere as it is */
} gemm;

void multiply(gemm g);
