/* Vectors of LANE_BYTES bytes and what is done lane by lane. No guard: included once for each width. */
#include <math.h>

#include "kernel.h"
#ifdef __FMA__
#include <immintrin.h>
#endif

/* `name_64` and so on. A name stands for the one of the present width: #define name AT(name), then used as it is. */
#define JOIN_NOW(start, width) start##width
#define JOIN(start, width) JOIN_NOW(start, width)
#define AT(name) JOIN(name##_, LANE_BYTES)

#define vector AT(vector)
#define mask AT(mask)
#define padded AT(padded)
#define relu AT(relu)
#define where_positive AT(where_positive)
#define choose AT(choose)
#define multiply_add AT(multiply_add)
#define exponential AT(exponential)

#define LANES ((index_t)(LANE_BYTES / sizeof(REAL)))

typedef REAL vector __attribute__((vector_size(LANE_BYTES), may_alias));
typedef __typeof__((vector){0} < (vector){0}) mask;
#define BROADCAST(value) ((REAL)(value) - (vector){0}) /* + would turn -0 into 0 */
#define VECTOR(pointer) (*(vector *)(pointer))
#define CONSTANT_VECTOR(pointer) (*(const vector *)(pointer))

/* `count` rounded up to whole vectors. */
INLINE index_t padded(index_t count) { return (count + LANES - 1) / LANES * LANES; }

/* max(x, 0) that keeps NaN. */
INLINE vector relu(vector x) { return (vector)((mask)x & ~(x < (vector){0})); }

/* `x` where `sign` is positive (or NaN, as PyTorch's ReLU passes the gradient), else 0. */
INLINE vector where_positive(vector x, vector sign) { return (vector)((mask)x & ~(sign <= (vector){0})); }

/* `yes` where a comparison holds, else `no`. */
INLINE vector choose(mask holds, vector yes, vector no) {
    return (vector)(((mask)yes & holds) | ((mask)no & ~holds));
}

#undef FUSED
#if LANE_BYTES == 64
#define FUSED(type) _mm512_fmadd_##type(a, b, c)
#elif LANE_BYTES == 32
#define FUSED(type) _mm256_fmadd_##type(a, b, c)
#else
#define FUSED(type) _mm_fmadd_##type(a, b, c)
#endif

/* a * b + c, rounded once where the machine can. Left to itself, gcc does or does not, as it suits the loop (its
   tuning for AMD breaks up chains that stand alone), and bits would depend on how work is cut. */
INLINE vector multiply_add(vector a, vector b, vector c) {
#if defined(__FMA__) && defined(REAL_IS_DOUBLE)
    return FUSED(pd);
#elif defined(__FMA__)
    return FUSED(ps);
#else
    return a * b + c;
#endif
}

/* exp(x) for x below 88 (708 in double precision): x = n ln 2 + r with |r| <= ln(2) / 2, exp(r) by its power series,
   to degree 7 (13; the next term is below 1e-8 and 1e-17), then n added to the exponent. NaN stays NaN; what would be
   subnormal is 0. */
INLINE vector exponential(vector x) {
    const int is_double = sizeof(REAL) == 8;
    /* Adding 1.5 * 2^(mantissa bits) rounds to the nearest integer and leaves it in the low bits. */
    const REAL round = is_double ? 6755399441055744.0 : 12582912.0, lowest = is_double ? -708.0 : -87.0;
    /* ln 2 in two parts, the first with so few bits that n times it is exact. */
    const REAL high = is_double ? 0x1.62e42feep-1 : 0x1.63p-1;
    const REAL low = is_double ? 0x1.a39ef35793c76p-33 : -0x1.bd0106p-13;
    const int degree = is_double ? 13 : 7;
    static const REAL inverse_factorial[] = {
        1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040,
        1.0 / 720,        1.0 / 120,       1.0 / 24,       1.0 / 6,       1.0 / 2,      1,           1,
    };
    vector shifted = x * (REAL)1.44269504088896340736 + round, n = shifted - round;
    vector rest = (x - n * high) - n * low, sum = BROADCAST(inverse_factorial[13 - degree]);
#pragma GCC unroll 16
    for (int i = 13 - degree + 1; i < 14; i++) sum = sum * rest + inverse_factorial[i];
    vector power = (vector)((mask)sum + ((mask)shifted << (is_double ? 52 : 23)));
    power = (vector)((mask)power & ~(x < BROADCAST(lowest)));
    return choose(x == x, power, x);
}
