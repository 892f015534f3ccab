/* A chunk: the channels that a task works on, as vectors of one position each, so that inner loops have no edges.

   Channel c of the map uses weight channel c mod groups: the channels are planes of `groups` channels. With at least
   LANES weight channels a vector holds LANES of them, of one plane, and a chunk is those vectors of all planes. With
   fewer a vector holds several planes side by side (`folds`), the weights are repeated to fit, and one chunk holds all.
   Lanes without a channel are 0. */
#ifndef HYBRID_SBIR_CHUNK_H
#define HYBRID_SBIR_CHUNK_H

#include "wide.h"

/* Sizes and layouts of an aggregation, as call.Problem fills it. *_last: channels lie side by side. */
typedef struct {
    geometry window;
    int64_t batch, channels, groups, x_last, weight_last, grad_last;
} problem;

typedef struct {
    index_t first, wrap, folds, vectors; /* first weight channel; lane l has weight channel first + l mod wrap */
} chunk;

/* Distance from one channel and from one position to the next; one of them is 1. */
typedef struct {
    index_t lane, position;
} steps;

INLINE index_t least(index_t a, index_t b) { return a < b ? a : b; }

INLINE index_t chunk_count(const problem *p) { return (p->groups + LANES - 1) / LANES; }

INLINE chunk chunk_at(const problem *p, index_t j) {
    const index_t planes = p->channels / p->groups, first = j * LANES, wrap = least(LANES, p->groups - first);
    const index_t folds = p->groups < LANES && planes ? least(LANES / p->groups, planes) : 1;
    return (chunk){first, wrap, folds, (planes + folds - 1) / folds};
}

/* First channel of vector m of a chunk, and how many lanes have one. */
INLINE index_t channel_of(const problem *p, chunk c, index_t m) { return m * c.folds * p->groups + c.first; }
INLINE index_t lanes_of(const problem *p, chunk c, index_t m) {
    return least(c.folds, p->channels / p->groups - m * c.folds) * c.wrap;
}

INLINE index_t positions_of(const problem *p) { return p->window.out_height * p->window.out_width; }
INLINE index_t neighbours_of(const problem *p) { return p->window.kernel * p->window.kernel; }

INLINE steps map_steps(const problem *p, index_t positions, int64_t last) {
    return last ? (steps){1, p->channels} : (steps){positions, 1};
}

INLINE steps weight_steps(const problem *p) {
    const index_t k = neighbours_of(p);
    return p->weight_last ? (steps){1, k * p->groups} : (steps){k * positions_of(p), 1};
}

INLINE index_t weight_k_step(const problem *p) { return p->weight_last ? p->groups : positions_of(p); }

/* Call weights of the next LANES positions into the core's own cache: they lie in pieces too short for the processor to
   foresee. `tile` is the first weight of these positions; i < LANES counts positions, or channels where those are
   apart. */
INLINE void call_weights(const problem *p, chunk c, const REAL *tile, index_t i) {
    const steps step = weight_steps(p);
    const REAL *next = p->weight_last ? tile + (i + LANES) * step.position : tile + i * step.lane + 2 * LANES - 1;
    if (!p->weight_last && i >= c.wrap) return;
    for (index_t k = 0; k < neighbours_of(p); k++) __builtin_prefetch(next + k * weight_k_step(p), 0, 2);
}

/* Repeat the `wrap` numbers of a position; the constant lets the compiler copy whole registers. */
INLINE void repeat(const REAL *from, index_t lanes, const index_t wrap, REAL *to) {
    for (index_t l = 0; l < lanes; l += wrap) memcpy(to + l, from, sizeof(REAL) * wrap);
    for (index_t l = lanes; l < LANES; l++) to[l] = 0;
}

static inline void gather_repeated(const REAL *from, steps at, index_t positions, index_t lanes, index_t wrap,
                                   vector *to, index_t to_step) {
    for (index_t i = 0; i < positions; i++, from += at.position, to += to_step) {
        if (wrap == 8) repeat(from, lanes, 8, (REAL *)to);
        else if (wrap == 4) repeat(from, lanes, 4, (REAL *)to);
        else if (wrap == 2) repeat(from, lanes, 2, (REAL *)to);
        else if (wrap == 1) repeat(from, lanes, 1, (REAL *)to);
        else repeat(from, lanes, wrap, (REAL *)to);
    }
}

/* Vectors of up to LANES positions, `to_step` apart; lane l is from[l mod wrap * at.lane + position * at.position]. */
static inline void gather(const REAL *from, steps at, index_t positions, index_t lanes, index_t wrap, vector *to,
                          index_t to_step) {
    vector rows[LANE_COUNT];
    if (at.lane == 1 && wrap < lanes) {
        gather_repeated(from, at, positions, lanes, wrap, to, to_step);
    } else if (at.lane == 1) {
        for (index_t i = 0; i < positions; i++) to[i * to_step] = load_some(from + i * at.position, lanes);
    } else {
        for (index_t l = 0, g = 0; l < LANES; l++, g = g + 1 < wrap ? g + 1 : 0)
            rows[l] = l < lanes ? load_some(from + g * at.lane, positions) : (vector){0};
        transpose(rows);
        for (index_t i = 0; i < positions; i++) to[i * to_step] = rows[i];
    }
}

/* The way back, without repetition: the first `lanes` lanes of each vector. */
static inline void scatter(const vector *from, index_t from_step, index_t positions, index_t lanes, REAL *to,
                           steps at) {
    vector rows[LANE_COUNT];
    if (at.lane == 1) {
        for (index_t i = 0; i < positions; i++) store_some(to + i * at.position, from[i * from_step], lanes);
    } else {
        for (index_t i = 0; i < LANES; i++) rows[i] = i < positions ? from[i * from_step] : (vector){0};
        transpose(rows);
        for (index_t l = 0; l < lanes; l++) store_some(to + l * at.lane, rows[l], positions);
    }
}

#endif
