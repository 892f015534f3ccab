/* The pairwise relation in tiles: a few output positions with all their neighbours, small enough for the cache. No
   guard: included once for each width of vectors.

   A task goes through the tiles of its slice, each with all samples of its block, so that what belongs to a position
   only (the position channels and their gradient) stays in the cache. Columns j = (position of the tile) * K +
   neighbour; the arrays of a tile have one row for each column. */
#include "relation_sizes.h"

#define pair_maps AT(pair_maps)
#define pair_tile AT(pair_tile)
#define pair_work AT(pair_work)
#define take_pair_maps AT(take_pair_maps)
#define fill_pair_maps AT(fill_pair_maps)
#define choose_tile AT(choose_tile)
#define cut_freely AT(cut_freely)
#define tile_length AT(tile_length)
#define position_rows AT(position_rows)
#define pair_difference AT(pair_difference)
#define pair_hidden AT(pair_hidden)
#define pair_logits AT(pair_logits)
#define pair_run AT(pair_run)

/* What all tiles read or write. */
typedef struct {
    REAL *phi, *psi;  /* maps in rows */
    REAL *position;   /* [P][K] rows of S */
    REAL *transposed; /* the hidden matrix as R rows of S */
    int32_t *cells;   /* [P][K] */
    REAL *tiles;      /* the tile of each thread */
} pair_maps;

typedef struct {
    const problem *problem;
    const pair_maps *maps;
    piece piece;
    int opening;                   /* this is the piece's first tile */
    index_t first, count, columns; /* positions; count * K */
    const int32_t *source;         /* the neighbour's row of the maps, for each column */
    REAL *difference, *hidden, *logits;
    REAL *rows;                    /* two rows of C channels and two of G for each position */
} pair_tile;

/* What is done with a tile of one sample. */
typedef void (*pair_work)(void *operation, pair_tile *tile, index_t sample);

static void choose_tile(problem *q) {
    const index_t column = sizeof(REAL) * (q->wide_relations + 2 * q->wide_hidden + q->wide_groups);
    q->tile = most(1, least(q->positions, TILE_BYTES / (column * q->neighbours)));
}

/* As many tasks as threads can use, where each writes a result of its own. */
INLINE void cut_freely(problem *q) {
    const index_t tiles = pieces_of(q->positions, q->tile);
    cut(q, tiles, pieces_of(8 * q->threads, tiles));
}

INLINE index_t tile_length(const problem *q) {
    const index_t columns = q->tile * q->neighbours * (q->wide_relations + q->wide_hidden + q->wide_groups);
    return columns + q->tile * 2 * (q->wide_length + q->wide_groups);
}

static pair_maps take_pair_maps(const problem *q, scratch *from) {
    const index_t map = q->samples * (q->cells + 1) * q->wide_relations, columns = q->positions * q->neighbours;
    return (pair_maps){
        .phi = take(from, map), .psi = take(from, map), .position = take(from, columns * q->wide_hidden),
        .transposed = take(from, q->relations * q->wide_hidden), .cells = (int32_t *)take(from, columns),
        .tiles = take(from, q->threads * tile_length(q)),
    };
}

/* rows[p][k][s] = scale[s] * planes[s][k][p] + shift[s]; without scale, the plane itself. */
static void position_rows(const problem *q, const REAL *planes, const REAL *scale, const REAL *shift, REAL *rows) {
#pragma omp parallel for schedule(static) num_threads(q->threads)
    for (index_t k = 0; k < q->neighbours; k++)
        for (index_t first = 0; first < q->positions; first += 16) {
            const index_t last = least(q->positions, first + 16);
            for (index_t s = 0; s < q->wide_hidden; s++) {
                const REAL *from = planes + (s * q->neighbours + k) * q->positions;
                const REAL factor = s < q->hidden && scale ? scale[s] : 1, term = s < q->hidden && scale ? shift[s] : 0;
                REAL *to = rows + k * q->wide_hidden + s;
                for (index_t p = first; p < last; p++)
                    to[p * q->neighbours * q->wide_hidden] = s < q->hidden ? factor * from[p] + term : 0;
            }
        }
}

/* From planes to rows; hidden [S][R]. Without planes of positions, those stay as they are. */
static void fill_pair_maps(const problem *q, pair_maps *m, const REAL *phi, const REAL *psi, const REAL *position,
                           const REAL *scale, const REAL *shift, const REAL *hidden) {
    maps_to_rows(relation_rows(q), q->samples, q->cells, phi, m->phi, q->threads);
    maps_to_rows(relation_rows(q), q->samples, q->cells, psi, m->psi, q->threads);
    if (position) position_rows(q, position, scale, shift, m->position);
    pack(q->relations, q->hidden, hidden, 1, q->relations, m->transposed);
    neighbour_cells(q->window, m->cells);
}

/* difference[j] = relu(phi at the centre - psi at the neighbour). */
INLINE void pair_difference(pair_tile *t, index_t sample) {
    const problem *q = t->problem;
    const index_t length = q->wide_relations, map = sample * (q->cells + 1) * length;
    for (index_t i = 0; i < t->count; i++) {
        const REAL *centre = t->maps->phi + map + centre_cell(q->window, t->first + i) * length;
        for (index_t v = 0; v < length; v += LANES) {
            const vector here = CONSTANT_VECTOR(centre + v);
            for (index_t j = i * q->neighbours; j < (i + 1) * q->neighbours; j++)
                VECTOR(t->difference + j * length + v) =
                    relu(here - CONSTANT_VECTOR(t->maps->psi + map + t->source[j] * length + v));
        }
    }
}

/* hidden[j] = matrix . difference[j] + position[j]; max(., 0) if `clip`. */
INLINE void pair_hidden(pair_tile *t, int clip) {
    const problem *q = t->problem;
    multiply((gemm){.rows = t->columns, .columns = q->wide_hidden, .length = q->relations, .a = t->difference,
                    .a_row = q->wide_relations, .a_step = 1, .b = t->maps->transposed, .b_row = q->wide_hidden,
                    .init = t->maps->position + t->first * q->neighbours * q->wide_hidden, .init_row = q->wide_hidden,
                    .c = t->hidden, .c_row = q->wide_hidden, .clip = clip});
}

/* logits[j] = matrix . hidden[j] + bias, the matrix transposed to S rows of G. */
INLINE void pair_logits(pair_tile *t, const REAL *transposed, const REAL *bias) {
    const problem *q = t->problem;
    multiply((gemm){.rows = t->columns, .columns = q->wide_groups, .length = q->hidden, .a = t->hidden,
                    .a_row = q->wide_hidden, .a_step = 1, .b = transposed, .b_row = q->wide_groups, .init = bias,
                    .c = t->logits, .c_row = q->wide_groups});
}

/* Every tile of every task with every sample of its block. */
static void pair_run(const problem *q, const pair_maps *maps, pair_work work, void *operation) {
    const index_t columns = q->tile * q->neighbours;
#pragma omp parallel for schedule(dynamic) num_threads(q->threads)
    for (index_t task = 0; task < tasks(q); task++) {
        pair_tile t = {.problem = q, .maps = maps, .piece = nth_piece(q, task)};
        t.difference = maps->tiles + omp_get_thread_num() * tile_length(q);
        t.hidden = t.difference + columns * q->wide_relations;
        t.logits = t.hidden + columns * q->wide_hidden;
        t.rows = t.logits + columns * q->wide_groups;
        for (t.first = t.piece.first; t.first < t.piece.last; t.first += q->tile) {
            t.opening = t.first == t.piece.first;
            t.count = least(q->tile, t.piece.last - t.first);
            t.columns = t.count * q->neighbours;
            t.source = maps->cells + t.first * q->neighbours;
            for (index_t n = t.piece.begin; n < t.piece.end; n++) work(operation, &t, n);
        }
    }
}
