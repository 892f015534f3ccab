/* The product of gemm.h. */
#ifndef LANE_BYTES
#define BODY "gemm.c"
#include "widths.h"
#else

#include "lanes.h"
#include "gemm.h"

#define gemm_block AT(gemm_block)
#define gemm_columns AT(gemm_columns)

/* Registers for vectors: 32 with AVX-512 and NEON; 16 elsewhere, where a block of 8 x 2 would not fit. */
#if defined(__AVX512VL__) || defined(__aarch64__)
#define GEMM_ACROSS 8
#else
#define GEMM_ACROSS 4
#endif
#define GEMM_ALONG 6

/* One block of `rows` x `wide` vectors; both are constants after inlining, and so is the stride that is 1. */
INLINE void gemm_block(const gemm *g, const int rows, const int wide, const index_t a_row, const index_t a_step,
                       const REAL *b, index_t i, index_t v) {
    const REAL *a = g->a + i * a_row;
    vector sum[8][2];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int w = 0; w < wide; w++) sum[r][w] = (vector){0};
    for (index_t l = 0; l < g->length; l++, a += a_step, b += g->b_row) {
        vector row[2];
#pragma GCC unroll 2
        for (int w = 0; w < wide; w++) row[w] = CONSTANT_VECTOR(b + w * LANES);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
            for (int w = 0; w < wide; w++) sum[r][w] = multiply_add(BROADCAST(a[r * a_row]), row[w], sum[r][w]);
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int w = 0; w < wide; w++) {
            const index_t column = v + w * LANES, at = (i + r) * g->c_row + column;
            if (g->init) sum[r][w] += CONSTANT_VECTOR(g->init + (i + r) * g->init_row + column);
            if (g->clip) sum[r][w] = relu(sum[r][w]);
            if (g->sign) sum[r][w] = where_positive(sum[r][w], CONSTANT_VECTOR(g->sign + at));
            VECTOR(g->c + at) = sum[r][w];
        }
}

/* All rows of one or two columns of vectors: blocks of `most` rows, then of 4, 2 and 1. */
INLINE void gemm_columns(const gemm *g, const int most, const int wide, const int along, const REAL *b, index_t v) {
    const index_t a_row = along ? g->a_row : 1, a_step = along ? 1 : g->a_step;
    index_t i = 0;
    for (; i + most <= g->rows; i += most) gemm_block(g, most, wide, a_row, a_step, b, i, v);
    if (most > 4 && i + 4 <= g->rows) {
        gemm_block(g, 4, wide, a_row, a_step, b, i, v);
        i += 4;
    }
    if (i + 2 <= g->rows) {
        gemm_block(g, 2, wide, a_row, a_step, b, i, v);
        i += 2;
    }
    if (i < g->rows) gemm_block(g, 1, wide, a_row, a_step, b, i, v);
}

void multiply(gemm g) {
    const index_t panel = g.b_panel ? g.b_panel : 2 * LANES;
    for (index_t v = 0; v < g.columns; v += 2 * LANES) {
        const REAL *b = g.b + v / (2 * LANES) * panel;
        const int wide = v + LANES < g.columns ? 2 : 1, along = g.a_step == 1;
        if (along && wide == 2) gemm_columns(&g, GEMM_ALONG, 2, 1, b, v);
        else if (along) gemm_columns(&g, GEMM_ALONG, 1, 1, b, v);
        else if (wide == 2) gemm_columns(&g, GEMM_ACROSS, 2, 0, b, v);
        else gemm_columns(&g, GEMM_ACROSS, 1, 0, b, v);
    }
}

#endif
