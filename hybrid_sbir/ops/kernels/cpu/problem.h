/* Sizes of a relation, and how its work is cut into pieces.

   N samples, C channels to aggregate, G groups of weights, R relations, S hidden channels, K neighbours, P positions.
   Output positions stand in `slices`, samples in `blocks`; a task is one slice of one block. */
#ifndef HYBRID_SBIR_PROBLEM_H
#define HYBRID_SBIR_PROBLEM_H

#include "cells.h"
#include "rows.h"
#include "scratch.h"

/* What is worked on at once. Second-level caches have 256 KiB and more; the maps' rows need room beside it. */
#define TILE_BYTES (160 * 1024)
/* Pieces that have sums of their own: enough for the cores of a workstation, and a fixed number, so that sums do not
   depend on the number of threads. */
#define PIECES 8

typedef struct {
    const geometry *window;
    index_t samples, channels, groups, relations, hidden; /* N, C, G, R, S */
    int64_t threads;
    index_t neighbours, positions, cells;                          /* K, P, height * width */
    index_t wide_relations, wide_hidden, wide_groups, wide_length; /* R, S, G in whole vectors; a row of C channels */
    index_t lanes;                                                 /* numbers in a vector */
    index_t tile;                                                  /* positions that are worked on at once */
    index_t slices, slice_length, blocks, block_length;
} problem;

/* One task: the positions first ... last and the samples begin ... end, without the last and the end. */
typedef struct {
    index_t task, slice, block, first, last, begin, end;
} piece;

INLINE index_t least(index_t a, index_t b) { return a < b ? a : b; }
INLINE index_t most(index_t a, index_t b) { return a > b ? a : b; }
INLINE index_t pieces_of(index_t total, index_t size) { return (total + size - 1) / size; }

/* About as many slices (of whole tiles) and blocks as wanted; none is empty. */
INLINE void cut(problem *q, index_t slices, index_t blocks) {
    q->slice_length = pieces_of(pieces_of(q->positions, q->tile), slices) * q->tile;
    q->slices = pieces_of(q->positions, q->slice_length);
    q->block_length = pieces_of(q->samples, least(q->samples, blocks));
    q->blocks = pieces_of(q->samples, q->block_length);
}

INLINE index_t tasks(const problem *q) { return q->slices * q->blocks; }

INLINE piece nth_piece(const problem *q, index_t task) {
    piece p = {.task = task, .slice = task / q->blocks, .block = task % q->blocks};
    p.first = p.slice * q->slice_length;
    p.last = least(q->positions, p.first + q->slice_length);
    p.begin = p.block * q->block_length;
    p.end = least(q->samples, p.begin + q->block_length);
    return p;
}

INLINE row_format relation_rows(const problem *q) { return (row_format){q->relations, 1, q->lanes}; }
INLINE row_format hidden_rows(const problem *q) { return (row_format){q->hidden, 1, q->lanes}; }
INLINE row_format group_rows(const problem *q) { return (row_format){q->groups, 1, q->lanes}; }
INLINE row_format feature_rows(const problem *q) { return (row_format){q->groups, q->channels / q->groups, q->lanes}; }

#endif
