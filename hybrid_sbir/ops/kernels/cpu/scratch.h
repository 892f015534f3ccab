/* Scratch memory in one piece: the same function first counts what it takes, then hands it out. */
#ifndef HYBRID_SBIR_SCRATCH_H
#define HYBRID_SBIR_SCRATCH_H

#include "kernel.h"

typedef struct {
    REAL *start; /* NULL while counting */
    index_t used;
} scratch;

/* `count` numbers, from a multiple of 64 bytes on. */
INLINE REAL *take(scratch *from, index_t count) {
    const index_t line = 64 / sizeof(REAL), before = from->used;
    from->used += (count + line - 1) / line * line;
    return from->start ? from->start + before : 0;
}

/* Scratch in `memory`; without memory it counts. */
INLINE scratch scratch_in(REAL *memory) {
    return (scratch){memory ? (REAL *)(((uintptr_t)memory + 63) / 64 * 64) : 0, 0};
}

/* How many numbers the memory must have, wherever it starts. */
INLINE index_t needed(const scratch *from) { return from->used + 64 / sizeof(REAL); }

#endif
