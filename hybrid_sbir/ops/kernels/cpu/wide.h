/* Vectors of the machine's widest width: loads and stores anywhere, of a few lanes, and the transposed square.

   LANES (and LANE_COUNT, for the preprocessor) is how many numbers a vector holds. */
#ifndef HYBRID_SBIR_WIDE_H
#define HYBRID_SBIR_WIDE_H

#include <string.h>

#if defined(__AVX512F__)
#include <immintrin.h>
#define LANE_BYTES 64
#elif defined(__AVX__)
#define LANE_BYTES 32
#else
#define LANE_BYTES 16
#endif
#include "lanes.h"

#ifdef REAL_IS_DOUBLE
#define LANE_COUNT (LANE_BYTES / 8)
typedef int64_t lane_numbers __attribute__((vector_size(LANE_BYTES)));
#else
#define LANE_COUNT (LANE_BYTES / 4)
typedef int32_t lane_numbers __attribute__((vector_size(LANE_BYTES)));
#endif

typedef REAL loose_vector __attribute__((vector_size(LANE_BYTES), may_alias, aligned(sizeof(REAL))));

INLINE vector load(const REAL *from) { return *(const loose_vector *)from; }
INLINE void store(REAL *to, vector value) { *(loose_vector *)to = value; }

/* The first `count` lanes; the others are 0 and their memory is not touched. */
#if defined(__AVX512F__) && defined(REAL_IS_DOUBLE)
INLINE vector load_some(const REAL *from, index_t count) {
    return (vector)_mm512_maskz_loadu_pd((__mmask8)((1u << count) - 1), from);
}
INLINE void store_some(REAL *to, vector value, index_t count) {
    _mm512_mask_storeu_pd(to, (__mmask8)((1u << count) - 1), (__m512d)value);
}
#elif defined(__AVX512F__)
INLINE vector load_some(const REAL *from, index_t count) {
    return (vector)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), from);
}
INLINE void store_some(REAL *to, vector value, index_t count) {
    _mm512_mask_storeu_ps(to, (__mmask16)((1u << count) - 1), (__m512)value);
}
#else
INLINE vector load_some(const REAL *from, index_t count) {
    vector value = {0};
    memcpy(&value, from, sizeof(REAL) * count);
    return value;
}
INLINE void store_some(REAL *to, vector value, index_t count) { memcpy(to, &value, sizeof(REAL) * count); }
#endif

/* A square is transposed by exchanging its off-diagonal quarters, then those of its quarters, and so on: of two rows
   that lie `s` apart, the first gets the low halves, the second the high halves of each run of 2 s lanes. */
#define LOW_LANE(l, s) ((l) & (s) ? LANE_COUNT + (l) - (s) : (l))
#define HIGH_LANE(l, s) ((l) & (s) ? LANE_COUNT + (l) : (l) + (s))
#define LANES_2(f, l, s) f(l, s), f((l) + 1, s)
#define LANES_4(f, l, s) LANES_2(f, l, s), LANES_2(f, (l) + 2, s)
#define LANES_8(f, l, s) LANES_4(f, l, s), LANES_4(f, (l) + 4, s)
#if LANE_COUNT == 16
#define ALL_LANES(f, s) LANES_8(f, 0, s), LANES_8(f, 8, s)
#elif LANE_COUNT == 8
#define ALL_LANES(f, s) LANES_8(f, 0, s)
#elif LANE_COUNT == 4
#define ALL_LANES(f, s) LANES_4(f, 0, s)
#else
#define ALL_LANES(f, s) LANES_2(f, 0, s)
#endif
#ifdef __clang__
#define SHUFFLE(a, b, f, s) __builtin_shufflevector(a, b, ALL_LANES(f, s))
#else
#define SHUFFLE(a, b, f, s) __builtin_shuffle(a, b, (lane_numbers){ALL_LANES(f, s)})
#endif
#define EXCHANGE(rows, s)                                                        \
    _Pragma("GCC unroll 16") for (int i = 0; i < LANE_COUNT; i++) if (!(i & (s))) { \
        const vector upper = rows[i], lower = rows[i + (s)];                     \
        rows[i] = SHUFFLE(upper, lower, LOW_LANE, s);                            \
        rows[i + (s)] = SHUFFLE(upper, lower, HIGH_LANE, s);                     \
    }

INLINE void transpose(vector rows[LANE_COUNT]) {
#if LANE_COUNT > 8
    EXCHANGE(rows, 8)
#endif
#if LANE_COUNT > 4
    EXCHANGE(rows, 4)
#endif
#if LANE_COUNT > 2
    EXCHANGE(rows, 2)
#endif
    EXCHANGE(rows, 1)
}

#endif
