// A block's part of a matrix product whose right operand is computed while its shared tile is filled.
//
//     product[row, column] = sum over d of left[d, row] * right[d, column]
//
// The rows are channels (a small parameter matrix on the left), the columns are positions of the output. A block of 256
// threads makes TILE_ROWS x TILE_COLUMNS outputs, DEPTH terms of the sum at a time; a thread keeps THREAD_ROWS x
// THREAD_COLUMNS of them in registers. TILE_ROWS is a define (8, 16, 32 or 64, chosen so that narrow stages do not
// multiply zeros); no size of a tensor is compiled in.
//
// Why these shapes: the threads of a warp share their rows and have consecutive columns. So a read of the left tile is
// a broadcast (8 rows by two 16-byte loads), a read of the right tile touches each of the 32 banks once, as does the
// fill. A thread's columns lie COLUMN_THREADS apart, not side by side: every store to global memory is then 32
// neighbours, whatever the alignment of the row (K * P is odd for 7 x 7 maps). 8 x 4 outputs are 32 multiply-adds for 6
// loads from shared memory, so the multiplier is the limit; narrow tiles are limited by global memory long before.
//
// Shared memory (float): 16.5 KiB (8 rows), 17 KiB (16), 18 KiB (32), 12 KiB (64); twice that in double.

#define THREADS 256
#define DEPTH 16

#if TILE_ROWS == 8
#define THREAD_ROWS 4
#define THREAD_COLUMNS 2
#elif TILE_ROWS == 16
#define THREAD_ROWS 4
#define THREAD_COLUMNS 4
#else
#define THREAD_ROWS 8
#define THREAD_COLUMNS 4
#endif

#define COLUMN_THREADS (THREADS * THREAD_ROWS / TILE_ROWS)
#define TILE_COLUMNS (COLUMN_THREADS * THREAD_COLUMNS)

// One buffer for both tiles, so that a reduction can use all of it once the product is done.
#define TILE_SIZE (DEPTH * (TILE_ROWS + TILE_COLUMNS))
#define RIGHT_TILE (DEPTH * TILE_ROWS)

// The part of the product that a block makes: rows from `top` of `height`, columns from `left` of `width`.
struct Part {
    int top, rows, columns;
    index_t left;

    __device__ __forceinline__ Part(int row_tile, int column_tile, int height, index_t width) {
        top = row_tile * TILE_ROWS;
        rows = least(height - top, TILE_ROWS);
        left = (index_t)column_tile * TILE_COLUMNS;
        columns = (int)least(width - left, (index_t)TILE_COLUMNS);
    }
};

__device__ __forceinline__ int tiles_of_rows(int height) { return (height - 1) / TILE_ROWS + 1; }
__device__ __forceinline__ int tiles_of_columns(index_t width) { return (int)((width - 1) / TILE_COLUMNS + 1); }

// This thread's outputs: rows first_row() + i, columns first_column() + j * COLUMN_THREADS.
__device__ __forceinline__ int first_row() { return (int)threadIdx.x / COLUMN_THREADS * THREAD_ROWS; }
__device__ __forceinline__ int first_column() { return (int)threadIdx.x % COLUMN_THREADS; }

// The column this thread fills: always the same, so what belongs to a column (where its neighbour lies) is found once.
__device__ __forceinline__ int fill_column() { return (int)threadIdx.x % TILE_COLUMNS; }

// The same among all columns. Those beyond the last repeat it: they read what exists, and are not stored.
__device__ __forceinline__ index_t filled(const Part& part) {
    return part.left + least(fill_column(), part.columns - 1);
}

// left[d, row] = matrix[d * pitch + row], zero beyond `depth` terms and `rows` rows.
__device__ __forceinline__ void fill_left(
    acc_t* tile, const acc_t* __restrict__ matrix, index_t pitch, int depth, int rows
) {
#pragma unroll
    for (int i = (int)threadIdx.x; i < DEPTH * TILE_ROWS; i += THREADS) {
        int d = i / TILE_ROWS, row = i % TILE_ROWS;
        tile[i] = d < depth && row < rows ? matrix[d * pitch + row] : (acc_t)0;
    }
}

// right[d, fill_column()] = value(d), zero beyond `depth` terms. FLIGHT loads are under way before the first is stored;
// more of them, with an address each, would push the sums out of the registers.
#define FILL_STEP (THREADS / TILE_COLUMNS)
#define FLIGHT 8

template <typename Value>
__device__ __forceinline__ void fill_right(acc_t* tile, int depth, Value value) {
    acc_t* column = tile + RIGHT_TILE + fill_column();
#pragma unroll 1
    for (int first = (int)threadIdx.x / TILE_COLUMNS; first < DEPTH; first += FLIGHT * FILL_STEP) {
        acc_t values[FLIGHT];
#pragma unroll
        for (int i = 0; i < FLIGHT; ++i) {
            const int d = first + i * FILL_STEP;
            values[i] = d < depth ? value(d) : (acc_t)0;
        }
#pragma unroll
        for (int i = 0; i < FLIGHT; ++i) column[(first + i * FILL_STEP) * TILE_COLUMNS] = values[i];
    }
}

__device__ __forceinline__ void clear(acc_t (&sum)[THREAD_ROWS][THREAD_COLUMNS]) {
#pragma unroll
    for (int i = 0; i < THREAD_ROWS; ++i)
#pragma unroll
        for (int j = 0; j < THREAD_COLUMNS; ++j) sum[i][j] = 0;
}

// Add the product of the two tiles.
__device__ __forceinline__ void multiply(const acc_t* tile, acc_t (&sum)[THREAD_ROWS][THREAD_COLUMNS]) {
    const acc_t *left = tile + first_row(), *right = tile + RIGHT_TILE + first_column();
#pragma unroll
    for (int d = 0; d < DEPTH; ++d) {
        acc_t row[THREAD_ROWS], column[THREAD_COLUMNS];
#pragma unroll
        for (int i = 0; i < THREAD_ROWS; ++i) row[i] = left[d * TILE_ROWS + i];
#pragma unroll
        for (int j = 0; j < THREAD_COLUMNS; ++j) column[j] = right[d * TILE_COLUMNS + j * COLUMN_THREADS];
#pragma unroll
        for (int i = 0; i < THREAD_ROWS; ++i)
#pragma unroll
            for (int j = 0; j < THREAD_COLUMNS; ++j) sum[i][j] += row[i] * column[j];
    }
}

// Add, for each row of the tile, what all its threads hold; the sums of row r end up in scratch[r * ROW_PITCH]. A tree,
// so always in the same order and with the rounding of log2(COLUMN_THREADS) additions. The pitch is odd: the rows of a
// short tree lie in different banks.
#define ROW_PITCH (COLUMN_THREADS + 1)

__device__ __forceinline__ void sum_rows(acc_t* scratch, const acc_t (&value)[THREAD_ROWS]) {
    __syncthreads();
#pragma unroll
    for (int i = 0; i < THREAD_ROWS; ++i) scratch[(first_row() + i) * ROW_PITCH + first_column()] = value[i];
    for (int half = COLUMN_THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        for (int i = (int)threadIdx.x; i < TILE_ROWS * half; i += THREADS) {
            acc_t* at = scratch + i / half * ROW_PITCH + i % half;
            at[0] += at[half];
        }
    }
    __syncthreads();
}
