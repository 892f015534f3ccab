// Gradient of the pairwise relation's differences: dd[n, r, k, p] = sum over s of hidden[s, r] * grad[n, s, k, p] where
// phi[n, r, p] > psi[n, r, neighbour k of p], else 0. The gradient of the subtraction makes phi's and psi's of
// it. The caller asks for a few samples at a time, so that dd stays small.
//
// Shapes as in pair_relation.cu. Rows of the product are r, columns are one sample's (k, p), terms are s.

// Where the ReLU lets this thread's outputs pass, a bit each: found before the product, while no sums need registers.
// Loads without a branch (what lies outside repeats the last row or column), so that many are under way at once.
__device__ __forceinline__ unsigned int passing(
    const map_t* __restrict__ phi, const map_t* __restrict__ psi, index_t plane, const int* centres,
    const int* neighbours, const Part& part
) {
    unsigned int bits = 0;
#pragma unroll
    for (int j = 0; j < THREAD_COLUMNS; ++j) {
        const int column = least(first_column() + j * COLUMN_THREADS, part.columns - 1), near = neighbours[column];
#pragma unroll
        for (int i = 0; i < THREAD_ROWS; ++i) {
            const index_t row = least(first_row() + i, part.rows - 1) * plane;
            const acc_t centre = load(phi + row + centres[column]), other = load(psi + row + (near < 0 ? 0 : near));
            const acc_t difference = centre - (near < 0 ? (acc_t)0 : other);
            bits |= (unsigned int)passes(difference) << (i * THREAD_COLUMNS + j);
        }
    }
    return bits;
}

// Grid: row tiles (fastest) x column tiles x N. hidden is [S, R], grad [N, S, Q], out [N, R, Q].
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT) pair_gradient(
    const map_t* __restrict__ phi, const map_t* __restrict__ psi, const parameter_t* __restrict__ hidden,
    const relation_t* __restrict__ grad, acc_t* __restrict__ out, SIZE_ARGUMENTS
) {
    __align__(16) __shared__ acc_t tile[TILE_SIZE];
    __shared__ int centres[TILE_COLUMNS], neighbours[TILE_COLUMNS];
    const Sizes sizes = SIZES;
    const index_t plane = sizes.plane(), positions = sizes.positions(), total = WINDOW * positions;
    const int row_tiles = tiles_of_rows(relations), column_tiles = tiles_of_columns(total);
    const int block = (int)(blockIdx.x / row_tiles), sample = block / column_tiles;
    const Part part((int)(blockIdx.x % row_tiles), block % column_tiles, relations, total);
    const index_t first = (index_t)sample * relations + part.top;

    // A thread stores other columns than it fills: what is found for a column once, all threads share.
    if (threadIdx.x < TILE_COLUMNS) {
        centres[fill_column()] = sizes.place(filled(part) % positions, MIDDLE);
        neighbours[fill_column()] = sizes.place(filled(part) % positions, (int)(filled(part) / positions));
    }
    __syncthreads();
    const unsigned int bits = passing(phi + first * plane, psi + first * plane, plane, centres, neighbours, part);

    acc_t sum[THREAD_ROWS][THREAD_COLUMNS];
    clear(sum);
    const relation_t* given = grad + (index_t)sample * channels * total + filled(part);
    for (int s = 0; s < channels; s += DEPTH) {
        __syncthreads();
        fill_left(tile, hidden + (index_t)s * relations + part.top, relations, channels - s, part.rows);
        fill_right(tile, channels - s, [&](int d) { return load(given + (s + d) * total); });
        __syncthreads();
        multiply(tile, sum);
    }
    acc_t* corner = out + first * total + part.left;
#pragma unroll
    for (int i = 0; i < THREAD_ROWS; ++i)
#pragma unroll
        for (int j = 0; j < THREAD_COLUMNS; ++j) {
            const int row = first_row() + i, column = first_column() + j * COLUMN_THREADS;
            if (row < part.rows && column < part.columns)
                corner[row * total + column] = bits >> (i * THREAD_COLUMNS + j) & 1 ? sum[i][j] : (acc_t)0;
        }
}
