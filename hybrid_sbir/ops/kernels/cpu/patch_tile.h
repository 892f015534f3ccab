/* The patchwise relation in tiles of rows. No guard: included once for each width of vectors.

   A row is one position of one sample; a tile is some positions of one sample, or all positions of some samples, so
   that its rows follow each other in an array [N][P]. */
#include "relation_sizes.h"
#include "map_gradient.h"

#define patch_tile AT(patch_tile)
#define patch_work AT(patch_work)
#define cut_rows_freely AT(cut_rows_freely)
#define cut_rows_for_sums AT(cut_rows_for_sums)
#define patch_run AT(patch_run)
#define all_rows AT(all_rows)
#define tile_to_planes AT(tile_to_planes)
#define rows_at_once AT(rows_at_once)

/* With fewer rows a product reads its parameters, up to 2 MiB, more often than it works with them. */
#define FEWEST_ROWS 32

typedef struct {
    const problem *problem;
    piece piece;
    index_t first, count;   /* positions */
    index_t begin, samples; /* samples */
    index_t rows, row;      /* their number; the first of them in [N][P] */
    int opening, fresh;     /* these samples' first tile; the piece's first tile */
    REAL *space;            /* the thread's own */
} patch_tile;

typedef void (*patch_work)(void *operation, patch_tile *tile);

/* Tiles of about `rows` rows, one task each. */
static inline void cut_rows_freely(problem *q, index_t rows) {
    const index_t all = q->samples * q->positions, enough = pieces_of(all, 2 * q->threads);
    rows = most(1, least(rows, most(FEWEST_ROWS, enough)));
    q->tile = least(rows, q->positions);
    cut(q, pieces_of(q->positions, q->tile), q->tile < q->positions ? q->samples : pieces_of(all, rows));
}

/* Tiles of about `rows` rows in pieces that have sums of their own. */
static inline void cut_rows_for_sums(problem *q, index_t rows) {
    q->tile = least(rows, q->positions);
    cut(q, 1, least(PIECES, pieces_of(q->samples * q->positions, FEWEST_ROWS)));
    cut(q, most(1, least(PIECES / q->blocks, q->positions / FEWEST_ROWS)), q->blocks);
}

/* The largest number of rows in a tile. */
INLINE index_t rows_at_once(const problem *q, index_t rows) {
    return q->tile < q->positions ? q->tile : most(1, rows / q->positions) * q->positions;
}

/* Every tile of every task; `length` numbers of `space` for each thread. */
static void patch_run(const problem *q, index_t rows, REAL *space, index_t length, patch_work work, void *operation) {
    const index_t step = rows_at_once(q, rows) / q->tile;
#pragma omp parallel for schedule(dynamic) num_threads(q->threads)
    for (index_t task = 0; task < tasks(q); task++) {
        patch_tile t = {.problem = q, .piece = nth_piece(q, task), .fresh = 1};
        t.space = space + omp_get_thread_num() * length;
        for (t.begin = t.piece.begin; t.begin < t.piece.end; t.begin += t.samples) {
            t.samples = least(step, t.piece.end - t.begin);
            for (t.first = t.piece.first; t.first < t.piece.last; t.first += q->tile, t.fresh = 0) {
                t.count = least(q->tile, t.piece.last - t.first);
                t.rows = t.samples * t.count;
                t.row = t.begin * q->positions + t.first;
                t.opening = t.first == t.piece.first;
                work(operation, &t);
            }
        }
    }
}

/* rows [N][P] of planes [N][channels][P]. */
static inline void all_rows(const problem *q, row_format f, const REAL *planes, REAL *rows) {
#pragma omp parallel for schedule(static) num_threads(q->threads)
    for (index_t n = 0; n < q->samples; n++)
        planes_to_rows(f, q->positions, planes + n * f.group * f.share * q->positions, q->positions,
                       rows + n * q->positions * row_length(f));
}

/* The tile's rows, back into planes [N][channels][P]. */
INLINE void tile_to_planes(const patch_tile *t, row_format f, const REAL *rows, REAL *planes) {
    const index_t positions = t->problem->positions;
    for (index_t i = 0; i < t->samples; i++)
        rows_to_planes(f, t->count, rows + i * t->count * row_length(f),
                       planes + (t->begin + i) * f.group * f.share * positions + t->first, positions, 0);
}
