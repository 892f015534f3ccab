/* What every kernel shares: the number type, how functions are exported, and the geometry of a window.

   Built twice, with REAL=float and with REAL=double. Functions get pointers to dense arrays, 64-bit sizes and, last,
   the number of threads; `#pragma omp parallel num_threads(threads)` always gets exactly that number, because the
   runtime ends and starts threads whenever the number changes. Scratch is allocated by the caller in Python. */
#ifndef HYBRID_SBIR_KERNEL_H
#define HYBRID_SBIR_KERNEL_H

#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))
#define INLINE static inline __attribute__((always_inline))

typedef int64_t index_t;

/* A window on a map, as call.Geometry fills it. The centre of output (y, x) is the input position
   (y * stride + reach - border, x * stride + reach - border) with reach = dilation * (kernel / 2). */
typedef struct {
    int64_t height, width, out_height, out_width, kernel, stride, dilation, border, reflect;
} geometry;

/* Where position i of a padded axis comes from: 0 ... size - 1, or -1 for a zero. */
INLINE index_t source_index(index_t i, index_t size, index_t border, int64_t reflect) {
    index_t at = i - border;
    if (at >= 0 && at < size) return at;
    if (!reflect) return -1;
    return at < 0 ? -at : 2 * (size - 1) - at;
}

/* Number of this thread within its team; scratch is handed out by it. */
#ifdef _OPENMP
extern int omp_get_thread_num(void);
#else
INLINE int omp_get_thread_num(void) { return 0; }
#endif

#endif
