// Gradients of the patchwise relation's values and of its scale and shift. With t[n, r, j, p] = sum over s of
// hidden[s, r, j] * grad[n, s, p] where scale[r, j] * v[n, r, j, p] + shift[r, j] > 0, else 0:
//     grad v = t * scale[r, j]    grad scale[r, j] = sum over n, p of t * v    grad shift[r, j] = sum over n, p of t
// The caller asks for a few samples at a time, so that grad v stays small, and gives it back to phi and psi.
//
// Shapes as in places.cu. Rows of the product are the r of one j, columns are (n, p), terms are s.
//
// A block works through `share` tiles of columns, one after the other, and adds scale's and shift's gradients in
// registers; one tree at its end leaves a number a row and block, which the caller adds in order.

// What a block knows of its rows, and where its columns read the maps (-1: a zero of the border) and write the results.
struct Tables {
    acc_t scale[TILE_ROWS], shift[TILE_ROWS];
    index_t places[TILE_COLUMNS], results[TILE_COLUMNS];
};

// Apply the ReLU's mask to a tile, store sign * grad v and add to the rows' sums; the pitches lead from a row to the
// next. Loads without a branch (what lies outside repeats the last row or column), so that many are under way at once.
__device__ __forceinline__ void finish_tile(
    const acc_t (&sum)[THREAD_ROWS][THREAD_COLUMNS], acc_t (&grad_scale)[THREAD_ROWS],
    acc_t (&grad_shift)[THREAD_ROWS], const Tables& tables, const map_t* __restrict__ maps, index_t plane,
    acc_t* __restrict__ out, index_t pitch, acc_t sign, const Part& part
) {
#pragma unroll
    for (int j = 0; j < THREAD_COLUMNS; ++j) {
        const int c = first_column() + j * COLUMN_THREADS, inside = least(c, part.columns - 1);
        const index_t place = tables.places[inside];
        const map_t* values = maps + (place < 0 ? 0 : place);
        acc_t* results = out + tables.results[inside];
#pragma unroll
        for (int i = 0; i < THREAD_ROWS; ++i) {
            const int row = least(first_row() + i, part.rows - 1);
            const acc_t scale = tables.scale[first_row() + i], loaded = load(values + row * plane);
            const acc_t value = place < 0 ? (acc_t)0 : loaded;
            const acc_t t = passes(scale * value + tables.shift[first_row() + i]) ? sum[i][j] : (acc_t)0;
            if (c >= part.columns) continue;
            grad_scale[i] += t * value;
            grad_shift[i] += t;
            if (first_row() + i < part.rows) results[row * pitch] = sign * t * scale;
        }
    }
}

__device__ __forceinline__ void store_sums(acc_t* tile, const acc_t (&value)[THREAD_ROWS], acc_t* out, int rows) {
    sum_rows(tile, value);
    if ((int)threadIdx.x < rows) out[threadIdx.x] = tile[threadIdx.x * ROW_PITCH];
}

// Grid: row tiles (fastest) x J x splits of `share` column tiles. hidden is [J, S, R], scale and shift [J, R], grad
// [N, S, P], centres [N, R, P] and neighbours [N, R, K, P] are grad v (the neighbours' negated, as if subtracted),
// sums [2, splits, J, R] scale's and shift's.
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT) patch_gradient(
    const map_t* __restrict__ phi, const map_t* __restrict__ psi, const parameter_t* __restrict__ scale,
    const parameter_t* __restrict__ shift, const parameter_t* __restrict__ hidden,
    const relation_t* __restrict__ grad, acc_t* __restrict__ centres, acc_t* __restrict__ neighbours,
    acc_t* __restrict__ sums, int splits, int share, int batch, SIZE_ARGUMENTS
) {
    __align__(16) __shared__ acc_t tile[TILE_SIZE];
    __shared__ Tables tables;
    const Sizes sizes = SIZES;
    const index_t plane = sizes.plane(), positions = sizes.positions(), total = batch * positions;
    const int row_tiles = tiles_of_rows(relations), row_tile = (int)(blockIdx.x % row_tiles);
    const int block = (int)(blockIdx.x / row_tiles), j = block % (WINDOW + 1), split = block / (WINDOW + 1);
    const int top = row_tile * TILE_ROWS, rows = least(relations - top, TILE_ROWS);
    const index_t parameter = (index_t)j * relations + top, pitch = j ? WINDOW * positions : positions;
    const map_t* maps = (j ? psi : phi) + top * plane;
    acc_t* out = (j ? neighbours + (j - 1) * positions : centres) + top * pitch;
    if (threadIdx.x < TILE_ROWS) {
        const index_t row = parameter + least((int)threadIdx.x, rows - 1);
        tables.scale[threadIdx.x] = scale[row];
        tables.shift[threadIdx.x] = shift[row];
    }

    acc_t grad_scale[THREAD_ROWS] = {}, grad_shift[THREAD_ROWS] = {};
    for (int t = split * share; t < least((split + 1) * share, tiles_of_columns(total)); ++t) {
        const Part part(row_tile, t, relations, total);
        const index_t n = filled(part) / positions, p = filled(part) % positions;
        __syncthreads();
        if (threadIdx.x < TILE_COLUMNS) {
            const int place = sizes.place(p, j ? j - 1 : MIDDLE);
            tables.places[fill_column()] = place < 0 ? -1 : n * relations * plane + place;
            tables.results[fill_column()] = n * relations * pitch + p;
        }
        acc_t sum[THREAD_ROWS][THREAD_COLUMNS];
        clear(sum);
        for (int s = 0; s < channels; s += DEPTH) {
            __syncthreads();
            fill_left(tile, hidden + ((index_t)j * channels + s) * relations + top, relations, channels - s, rows);
            const relation_t* given = grad + (n * channels + s) * positions + p;
            fill_right(tile, channels - s, [&](int d) { return load(given + d * positions); });
            __syncthreads();
            multiply(tile, sum);
        }
        const acc_t sign = j ? -1 : 1;
        finish_tile(sum, grad_scale, grad_shift, tables, maps, plane, out, pitch, sign, part);
    }
    acc_t* scale_sums = sums + (index_t)split * (WINDOW + 1) * relations + parameter;
    store_sums(tile, grad_scale, scale_sums, rows);
    store_sums(tile, grad_shift, scale_sums + (index_t)splits * (WINDOW + 1) * relations, rows);
}
