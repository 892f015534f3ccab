// The patchwise relation, without an unfold:
//     h[n, s, p] = sum over r, j of hidden[s, r, j] * relu(scale[r, j] * v[n, r, j, p] + shift[r, j])
// where v[n, r, 0] is phi at the centre and v[n, r, 1 + k] the k-th neighbour in psi.
//
// Shapes as in places.cu.
//
// Rows of the product are s, columns are (n, p), terms are (j, r). For a column and a j the neighbour's place is the
// same for all r, and scale, shift and the slice of hidden are small. 7 x 7 maps leave few columns (25 tiles for 64
// samples), so the sum over j is cut into splits, each a block of its own; the caller adds them in order.

// Grid: row tiles (fastest) x column tiles of N * P x splits of `share` values of j. hidden is [J, R, S], scale and
// shift [J, R], out [splits, N, S, P].
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT) patch_relation(
    const map_t* __restrict__ phi, const map_t* __restrict__ psi, const parameter_t* __restrict__ scale,
    const parameter_t* __restrict__ shift, const parameter_t* __restrict__ hidden, acc_t* __restrict__ out, int share,
    int batch, SIZE_ARGUMENTS
) {
    __align__(16) __shared__ acc_t tile[TILE_SIZE];
    const Sizes sizes = SIZES;
    const index_t plane = sizes.plane(), positions = sizes.positions(), total = batch * positions;
    const int row_tiles = tiles_of_rows(channels), column_tiles = tiles_of_columns(total);
    const int block = (int)(blockIdx.x / row_tiles), split = block / column_tiles;
    const Part part((int)(blockIdx.x % row_tiles), block % column_tiles, channels, total);

    const index_t p = filled(part) % positions, sample = filled(part) / positions * relations * plane;
    acc_t sum[THREAD_ROWS][THREAD_COLUMNS];
    clear(sum);
    for (int j = split * share; j < least((split + 1) * share, WINDOW + 1); ++j) {
        const int place = sizes.place(p, j ? j - 1 : MIDDLE);
        const map_t* values = (j ? psi : phi) + sample + (place < 0 ? 0 : place);
        for (int r = 0; r < relations; r += DEPTH) {
            const index_t parameter = (index_t)j * relations + r;
            __syncthreads();
            fill_left(tile, hidden + parameter * channels + part.top, channels, relations - r, part.rows);
            fill_right(tile, relations - r, [&](int d) {
                const acc_t value = place < 0 ? (acc_t)0 : load(values + (r + d) * plane);
                return relu(scale[parameter + d] * value + shift[parameter + d]);
            });
            __syncthreads();
            multiply(tile, sum);
        }
    }

    out += (index_t)split * channels * total;
#pragma unroll
    for (int j = 0; j < THREAD_COLUMNS; ++j) {
        const index_t c = part.left + first_column() + j * COLUMN_THREADS;
        if (c >= total) continue;
        acc_t* corner = out + (c / positions * channels + part.top) * positions + c % positions;
#pragma unroll
        for (int i = 0; i < THREAD_ROWS; ++i)
            if (first_row() + i < part.rows) corner[(first_row() + i) * positions] = sum[i][j];
    }
}
