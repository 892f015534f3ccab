/* Weights and neighbours of output positions. No guard: included once for each width of vectors, after lanes.h and
   map_gradient.h.

   weights [K][wide]: a row of G weights, in whole vectors, for each neighbour. x: a map in rows of `share` times
   `wide` numbers (rows.h: the channels of vector v start at v * share), source[k] the row of neighbour k. */
#define weighting AT(weighting)
#define larger AT(larger)
#define log_of_infinite AT(log_of_infinite)
#define softmax AT(softmax)
#define softmax_again AT(softmax_again)
#define aggregate_some AT(aggregate_some)
#define aggregate AT(aggregate)
#define spread_some AT(spread_some)
#define spread AT(spread)

typedef struct {
    index_t neighbours, wide, share; /* K, G in whole vectors, C / G */
} weighting;

/* The larger of each lane; NaN in `here` is passed over. */
INLINE vector larger(vector top, vector here) { return choose(here > top, here, top); }

/* A pointer as one number in a register: gcc would add up the parts of its address again for each of 8 vectors. */
#define IN_REGISTER(pointer) __asm__("" : "+r"(pointer))

/* The log of exp(logits)'s sum where the largest logit is infinite: that, or NaN where there is one. */
static inline REAL log_of_infinite(weighting f, const REAL *logits, REAL top) {
    for (index_t k = 0; k < f.neighbours; k++)
        if (isnan(logits[k * f.wide])) return logits[k * f.wide];
    return top;
}

/* Turn logits into their exponentials, the largest being 1; `inverse` of their sums, and the log of exp(logits)'s
   sum. */
INLINE void softmax(weighting f, REAL *logits, REAL *inverse, REAL *log_sum) {
    for (index_t v = 0; v < f.wide; v += LANES) {
        REAL *row = logits + v, *end = row + f.neighbours * f.wide;
        /* Two chains each: one waits for itself. */
        vector top = CONSTANT_VECTOR(row), other = top, sum = (vector){0}, rest = sum;
        for (row += f.wide; row < end; row += 2 * f.wide) { /* the number of neighbours is odd */
            top = larger(top, CONSTANT_VECTOR(row));
            other = larger(other, CONSTANT_VECTOR(row + f.wide));
        }
        top = larger(top, other);
        for (index_t i = 0; i < LANES; i++)
            if (isinf(top[i])) log_sum[v + i] = log_of_infinite(f, logits + v + i, top[i]);
        for (row = logits + v; row < end; row += f.wide) {
            const vector power = exponential(CONSTANT_VECTOR(row) - top);
            VECTOR(row) = power;
            other = sum + power;
            sum = rest;
            rest = other;
        }
        sum += rest;
        VECTOR(inverse + v) = BROADCAST(1) / sum;
        for (index_t i = 0; i < LANES; i++) {
            const REAL log_of_sum = sizeof(REAL) == 8 ? (REAL)log((double)sum[i]) : (REAL)logf((float)sum[i]);
            if (!isinf(top[i])) log_sum[v + i] = top[i] + log_of_sum;
        }
    }
}

/* Turn logits into the softmax again, with the log of the sum of their exponentials. */
INLINE void softmax_again(weighting f, REAL *logits, const REAL *log_sum) {
    for (index_t v = 0; v < f.wide; v += LANES) {
        const vector top = CONSTANT_VECTOR(log_sum + v);
        for (REAL *row = logits + v; row < logits + f.neighbours * f.wide; row += f.wide)
            VECTOR(row) = exponential(CONSTANT_VECTOR(row) - top);
    }
}

/* `some` vectors of y that share a vector of weights. */
INLINE void aggregate_some(weighting f, const int some, const REAL *weights, const REAL *x, const int32_t *source,
                               const REAL *factor, REAL *y) {
    vector sum[8];
#pragma GCC unroll 8
    for (int q = 0; q < some; q++) sum[q] = (vector){0};
    for (index_t k = 0; k < f.neighbours; k++) {
        const vector weight = CONSTANT_VECTOR(weights + k * f.wide);
        const REAL *row = x + source[k] * f.wide * f.share;
        IN_REGISTER(row);
#pragma GCC unroll 8
        for (int q = 0; q < some; q++) sum[q] += weight * CONSTANT_VECTOR(row + q * LANES);
    }
#pragma GCC unroll 8
    for (int q = 0; q < some; q++) {
        if (factor) sum[q] *= CONSTANT_VECTOR(factor);
        VECTOR(y + q * LANES) = sum[q];
    }
}

/* y = factor times the sum over k of weights[k] * x[source[k]]; factor (a row of G; NULL: 1). */
INLINE void aggregate(weighting f, const REAL *weights, const REAL *x, const int32_t *source, const REAL *factor,
                          REAL *y) {
    for (index_t v = 0; v < f.wide; v += LANES) {
        const REAL *by = factor ? factor + v : 0;
        index_t q = 0;
        for (; q + 8 <= f.share; q += 8)
            aggregate_some(f, 8, weights + v, x + v * f.share + q * LANES, source, by,
                           y + v * f.share + q * LANES);
        for (; q < f.share; q++)
            aggregate_some(f, 1, weights + v, x + v * f.share + q * LANES, source, by,
                           y + v * f.share + q * LANES);
    }
}

/* One vector of the weights and `some` neighbours of one position; `in_registers`: the share is 8, and the gradient's
   8 vectors stay in registers. */
INLINE void spread_some(weighting f, const int in_registers, index_t some, REAL *weights, const REAL *mean,
                        const REAL *grad, const REAL *x, const int32_t *source, REAL *grad_x, index_t skip) {
    vector held[8];
    const index_t share = in_registers ? 8 : f.share;
    if (in_registers)
#pragma GCC unroll 8
        for (int q = 0; q < 8; q++) held[q] = CONSTANT_VECTOR(grad + q * LANES);
    for (index_t k = 0; k < some; k++) {
        const REAL *row = x + source[k] * f.wide * f.share;
        REAL *to = grad_x + own_row(source[k], skip) * f.wide * f.share;
        IN_REGISTER(row);
        IN_REGISTER(to);
        vector weight = CONSTANT_VECTOR(weights + k * f.wide), sum[2] = {{0}, {0}};
#pragma GCC unroll 8
        for (index_t q = 0; q < share; q++) {
            const vector here = in_registers ? held[q] : CONSTANT_VECTOR(grad + q * LANES);
            sum[q % 2] += here * CONSTANT_VECTOR(row + q * LANES);
            VECTOR(to + q * LANES) += here * weight;
        }
        sum[0] += sum[1];
        if (mean) sum[0] = weight * (sum[0] - CONSTANT_VECTOR(mean));
        VECTOR(weights + k * f.wide) = sum[0];
    }
}

/* Backward of aggregate for `count` positions, the gradient's rows: add to grad_x, and replace weights [count][K] by
   their gradient. With mean (for each position a row of G: the sum over the share of grad * y), the weights are a
   softmax, and its logits' gradient comes out. Goes along the lines of the window, so that x's rows are still in the
   first cache when the next position needs them. */
INLINE void spread(weighting f, index_t side, index_t count, REAL *weights, const REAL *mean, const REAL *grad,
                   const REAL *x, const int32_t *source, REAL *grad_x, index_t skip) {
    for (index_t line = 0; line < f.neighbours; line += side)
        for (index_t i = 0; i < count; i++)
            for (index_t v = 0; v < f.wide; v += LANES) {
                REAL *some = weights + (i * f.neighbours + line) * f.wide + v;
                const REAL *middle = mean ? mean + i * f.wide + v : 0, *row = grad + (i * f.wide + v) * f.share;
                const int32_t *near = source + i * f.neighbours + line;
                if (f.share == 8)
                    spread_some(f, 1, side, some, middle, row, x + v * f.share, near, grad_x + v * f.share, skip);
                else
                    spread_some(f, 0, side, some, middle, row, x + v * f.share, near, grad_x + v * f.share, skip);
            }
}
