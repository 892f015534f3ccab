// The pairwise relation: z[n, s, k, p] = position[s, k, p] + sum over r of hidden[s, r] * relu(phi[n, r, p] - psi[n, r,
// neighbour k of p]), and what may be made of z before it is stored.
//
// Shapes as in places.cu; Q = K * P columns of a sample, k before p.
//
// Rows of the product are s, columns are one sample's (k, p), terms are r; the differences are never stored. A define,
// EPILOGUE, says what is made of z:
#define PLAIN 0      // z
#define SCALED 1     // scale[s] * z + shift[s]
#define ACTIVATED 2  // relu(scale[s] * z + shift[s])
#define MOMENTS 3    // nothing is stored but each block's mean of z[s] and sum of squared distances from it
//
// Enough blocks for any GPU: 7 x 7 maps with k = 7 are 19 tiles a sample and 128 rows, so 2432 blocks for 64 samples.

// Samples that take turns on a tile of columns. Alone, each sample would read all of `position` again, as many bytes as
// it writes; all together would read phi and psi K times. Eight samples' phi and psi fit the L2 of any GPU (3.2 MB at
// 56 x 56 x 16 float), and `position` comes from there for seven of them.
#define TURNS 8

struct Turn {
    int sample, tile;

    __device__ __forceinline__ Turn(int block, int batch, int tiles) {
        const int round = block / (TURNS * tiles), rest = block % (TURNS * tiles);
        const int samples = least(TURNS, batch - round * TURNS);
        sample = round * TURNS + rest % samples;
        tile = rest / samples;
    }
};

// Mean and squared distances of each row over the block's columns, from the registers: exact in two passes, no large
// sums of squares. Chan's formula joins the blocks afterwards.
__device__ __forceinline__ void store_moments(
    acc_t* tile, const acc_t (&z)[THREAD_ROWS][THREAD_COLUMNS], const Part& block, acc_t* means, acc_t* squares
) {
    acc_t part[THREAD_ROWS], mean[THREAD_ROWS];
#pragma unroll
    for (int i = 0; i < THREAD_ROWS; ++i) {
        part[i] = 0;
#pragma unroll
        for (int j = 0; j < THREAD_COLUMNS; ++j)
            if (first_column() + j * COLUMN_THREADS < block.columns) part[i] += z[i][j];
    }
    sum_rows(tile, part);
#pragma unroll
    for (int i = 0; i < THREAD_ROWS; ++i) mean[i] = tile[(first_row() + i) * ROW_PITCH] / block.columns;
#pragma unroll
    for (int i = 0; i < THREAD_ROWS; ++i) {
        part[i] = 0;
#pragma unroll
        for (int j = 0; j < THREAD_COLUMNS; ++j) {
            acc_t distance = z[i][j] - mean[i];
            if (first_column() + j * COLUMN_THREADS < block.columns) part[i] += distance * distance;
        }
    }
    sum_rows(tile, part);
    if (first_column() > 0) return;
#pragma unroll
    for (int i = 0; i < THREAD_ROWS; ++i) {
        const int row = first_row() + i;
        if (row >= block.rows) continue;
        means[row] = mean[i];
        squares[row] = tile[row * ROW_PITCH];
    }
}

__device__ __forceinline__ void add_position(
    acc_t (&z)[THREAD_ROWS][THREAD_COLUMNS], const Part& part, const parameter_t* __restrict__ position, index_t pitch
) {
#pragma unroll
    for (int i = 0; i < THREAD_ROWS; ++i)
#pragma unroll
        for (int j = 0; j < THREAD_COLUMNS; ++j) {
            const int row = first_row() + i, column = first_column() + j * COLUMN_THREADS;
            if (row < part.rows && column < part.columns) z[i][j] += position[row * pitch + column];
        }
}

__device__ __forceinline__ void store_relation(
    const acc_t (&z)[THREAD_ROWS][THREAD_COLUMNS], const Part& part, relation_t* out, index_t pitch,
    const parameter_t* __restrict__ scale, const parameter_t* __restrict__ shift
) {
#pragma unroll
    for (int i = 0; i < THREAD_ROWS; ++i) {
        const int row = first_row() + i;
        if (row >= part.rows) continue;
        const acc_t slope = EPILOGUE == PLAIN ? (acc_t)1 : scale[row];
        const acc_t start = EPILOGUE == PLAIN ? (acc_t)0 : shift[row];
#pragma unroll
        for (int j = 0; j < THREAD_COLUMNS; ++j) {
            const int column = first_column() + j * COLUMN_THREADS;
            acc_t value = EPILOGUE == PLAIN ? z[i][j] : slope * z[i][j] + start;
            if (EPILOGUE == ACTIVATED) value = relu(value);
            if (column < part.columns) store(out + row * pitch + column, value);
        }
    }
}

// Grid: row tiles (fastest) x column tiles x N. hidden is [R, S]; scale, shift [S]; out [N, S, Q], or for the moments
// [2, N, column tiles, S].
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT) pair_relation(
    const map_t* __restrict__ phi, const map_t* __restrict__ psi, const parameter_t* __restrict__ position,
    const parameter_t* __restrict__ hidden, const parameter_t* __restrict__ scale,
    const parameter_t* __restrict__ shift, relation_t* __restrict__ out, int batch, SIZE_ARGUMENTS
) {
    __align__(16) __shared__ acc_t tile[TILE_SIZE];
    const Sizes sizes = SIZES;
    const index_t plane = sizes.plane(), positions = sizes.positions(), total = WINDOW * positions;
    const int row_tiles = tiles_of_rows(channels), column_tiles = tiles_of_columns(total);
    const Turn turn((int)(blockIdx.x / row_tiles), batch, column_tiles);
    const Part part((int)(blockIdx.x % row_tiles), turn.tile, channels, total);

    const index_t p = filled(part) % positions, first = (index_t)turn.sample * relations * plane;
    const int near = sizes.place(p, (int)(filled(part) / positions));
    const map_t *centres = phi + first + sizes.place(p, MIDDLE), *neighbours = psi + first + (near < 0 ? 0 : near);
    acc_t z[THREAD_ROWS][THREAD_COLUMNS];
    clear(z);
    for (int r = 0; r < relations; r += DEPTH) {
        __syncthreads();
        fill_left(tile, hidden + (index_t)r * channels + part.top, channels, relations - r, part.rows);
        fill_right(tile, relations - r, [&](int d) {
            const acc_t other = near < 0 ? (acc_t)0 : load(neighbours + (r + d) * plane);
            return relu(load(centres + (r + d) * plane) - other);
        });
        __syncthreads();
        multiply(tile, z);
    }
    add_position(z, part, position + part.top * total + part.left, total);
#if EPILOGUE == MOMENTS
    acc_t* means = out + ((index_t)turn.sample * column_tiles + turn.tile) * channels + part.top;
    store_moments(tile, z, part, means, means + (index_t)batch * column_tiles * channels);
#else
    relation_t* corner = out + ((index_t)turn.sample * channels + part.top) * total + part.left;
    store_relation(z, part, corner, total, scale + part.top, shift + part.top);
#endif
}
