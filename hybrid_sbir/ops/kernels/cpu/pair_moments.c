/* Mean and biased variance of z = hidden . relu(phi - psi) + position for each hidden channel; z is not stored. */
#ifndef LANE_BYTES
#define BODY "pair_moments.c"
#include "widths.h"
#else

#include "pair_tile.h"

#define row_sums AT(row_sums)
#define moments_tile AT(moments_tile)
#define add_moments AT(add_moments)

/* The sum over `count` rows of value, or of (value - centre)^2, in four chains. */
INLINE vector row_sums(index_t count, const REAL *rows, index_t length, const vector centre, const int squares) {
    vector sum[4] = {{0}, {0}, {0}, {0}};
    index_t i = 0;
    for (; i + 4 <= count; i += 4)
#pragma GCC unroll 4
        for (int chain = 0; chain < 4; chain++) {
            const vector here = CONSTANT_VECTOR(rows + (i + chain) * length) - centre, squared = here * here;
            sum[chain] += squares ? squared : here;
        }
    for (; i < count; i++) {
        const vector here = CONSTANT_VECTOR(rows + i * length) - centre, squared = here * here;
        sum[0] += squares ? squared : here;
    }
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* Join two sets of values, known by count, mean and sum of squares around the mean (Chan, Golub, LeVeque 1983). */
INLINE void add_moments(double count, double other_count, double *mean, double *squares, double other_mean,
                        double other_squares) {
    const double total = count + other_count, apart = other_mean - *mean;
    *mean += apart * (other_count / total);
    *squares += other_squares + apart * apart * (count * other_count / total);
}

/* moments [task]: a count, then the mean and the sum of squares around it of each hidden channel. */
static void moments_tile(void *moments, pair_tile *t, index_t n) {
    const problem *q = t->problem;
    double *own = (double *)moments + t->piece.task * (1 + 2 * q->hidden);
    if (t->opening && n == t->piece.begin) memset(own, 0, sizeof(double) * (1 + 2 * q->hidden));
    pair_difference(t, n);
    pair_hidden(t, 0);
    for (index_t v = 0; v < q->wide_hidden; v += LANES) {
        /* Sums of distances from the first row: a large mean would drown the digits. */
        const vector first = CONSTANT_VECTOR(t->hidden + v);
        const vector mean = first + row_sums(t->columns, t->hidden + v, q->wide_hidden, first, 0) / (REAL)t->columns;
        const vector squares = row_sums(t->columns, t->hidden + v, q->wide_hidden, mean, 1);
        for (index_t l = 0; l < least(LANES, q->hidden - v); l++)
            add_moments(own[0], t->columns, &own[1 + v + l], &own[1 + q->hidden + v + l], mean[l], squares[l]);
    }
    own[0] += t->columns;
}

/* phi, psi [N][R][H][W], position [S][K][P], hidden [S][R]; mean, variance [S]. */
EXPORT int64_t AT(pair_moments)(const geometry *w, int64_t n, int64_t r, int64_t s, const REAL *phi, const REAL *psi,
                                const REAL *position, const REAL *hidden, REAL *mean, REAL *variance, REAL *memory,
                                int64_t threads) {
    problem q = sizes_of(w, n, 0, 0, r, s, threads);
    scratch from = scratch_in(memory);
    const index_t state = 1 + 2 * s;
    choose_tile(&q);
    cut(&q, PIECES, pieces_of(PIECES, pieces_of(q.positions, q.tile)));
    pair_maps maps = take_pair_maps(&q, &from);
    double *all = (double *)take(&from, tasks(&q) * state * (index_t)(sizeof(double) / sizeof(REAL)));
    if (!memory) return needed(&from);
    fill_pair_maps(&q, &maps, phi, psi, position, 0, 0, hidden);
    pair_run(&q, &maps, moments_tile, all);
    for (index_t task = 1; task < tasks(&q); task++) {
        const double *part = all + task * state;
        for (index_t i = 1; i <= s; i++) add_moments(all[0], part[0], &all[i], &all[s + i], part[i], part[s + i]);
        all[0] += part[0];
    }
    for (index_t i = 0; i < s; i++) mean[i] = all[1 + i], variance[i] = all[1 + s + i] / all[0];
    return 0;
}

#endif
