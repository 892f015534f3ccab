// Gradient of the relations' first linear map: the sum over samples and positions of grad times what was multiplied.
//
//     pairwise:  out[s, r]    = sum over n, k, p of grad[n, s, k, p] * relu(phi[n, r, p] - psi[n, r, neighbour k of p])
//     patchwise: out[j, s, r] = sum over n, p of grad[n, s, p] * relu(scale[r, j] * v[n, r, j, p] + shift[r, j])
//
// Shapes as in places.cu; L terms of a sample: K * P or P. PATCH (0 or 1) is a define, as are TILE_S and TILE_R (8, 16,
// 32 or 64; relation_launch.py chooses them by the channels).
//
// Few outputs, long sums: so the terms are cut into splits, a block each, and the caller adds the splits in order. In a
// block a team of threads holds the whole TILE_S x TILE_R outputs, 4 x 4 a thread (16 x 16 outputs are a team of 16
// threads, 64 x 64 the whole block). Each team takes every TEAMS-th quad of terms; the teams are added in order at the
// end.
//
// Both tiles keep the terms as columns, as they lie in global memory, so a fill is consecutive on both sides. A thread
// reads four consecutive terms at once; its rows lie TEAM_ROWS (or TEAM_COLUMNS) apart and the pitch is 4 more than a
// multiple of 32, so the 16-byte reads of neighbouring threads spread over all banks: 64 multiply-adds for 8 of them.
// Shared memory (float): at most 18.5 KiB, twice that in double.

#define THREADS 256
#define QUAD 4
#define TEAM_ROWS (TILE_S / 4)
#define TEAM_COLUMNS (TILE_R / 4)
#define TEAM (TEAM_ROWS * TEAM_COLUMNS)
#define TEAMS (THREADS / TEAM)
#define LARGER (TILE_S > TILE_R ? TILE_S : TILE_R)
#define DEPTH (2048 / LARGER)
#define PITCH (DEPTH + 4)
#define TILE_SIZE ((TILE_S + TILE_R) * PITCH > THREADS * 16 ? (TILE_S + TILE_R) * PITCH : THREADS * 16)

// A term of the sums: its sample, neighbour (0 if PATCH) and position; found once, then moved along without dividing.
struct Term {
    int sample, k;
    index_t p;
};

__device__ __forceinline__ void advance(Term& at, int by, index_t positions) {
    const int windows = PATCH ? 1 : WINDOW;
    at.p += by;
    if (at.p < positions) return;
    at.k += (int)(at.p / positions);
    at.p %= positions;
    if (at.k < windows) return;
    at.sample += at.k / windows;
    at.k %= windows;
}

// Rows of a tile that a thread fills: threadIdx.x / DEPTH + i * FILL_STEP, all of column threadIdx.x % DEPTH.
#define FILL_STEP (THREADS / DEPTH)

template <int ROWS, typename Value>
__device__ __forceinline__ void fill(acc_t* tile, int rows, bool live, Value value) {
    acc_t values[ROWS / FILL_STEP];
#pragma unroll
    for (int i = 0; i < ROWS / FILL_STEP; ++i) {
        const int row = (int)threadIdx.x / DEPTH + i * FILL_STEP;
        values[i] = live ? value(least(row, rows - 1)) : (acc_t)0;  // rows beyond the last repeat it and are not stored
    }
#pragma unroll
    for (int i = 0; i < ROWS / FILL_STEP; ++i)
        tile[((int)threadIdx.x / DEPTH + i * FILL_STEP) * PITCH + (int)threadIdx.x % DEPTH] = values[i];
}

__device__ __forceinline__ void read_quad(acc_t (&quad)[QUAD], const acc_t* at) {
#pragma unroll
    for (int e = 0; e < QUAD; ++e) quad[e] = at[e];
}

// Add this team's quads of the two tiles' product.
__device__ __forceinline__ void multiply(const acc_t* left, const acc_t* right, acc_t (&sum)[4][4]) {
    const int team = (int)threadIdx.x / TEAM, mine = (int)threadIdx.x % TEAM;
    left += mine / TEAM_COLUMNS * PITCH + team * QUAD;
    right += mine % TEAM_COLUMNS * PITCH + team * QUAD;
    for (int d = 0; d < DEPTH; d += TEAMS * QUAD) {
        acc_t column[4][QUAD];
#pragma unroll
        for (int j = 0; j < 4; ++j) read_quad(column[j], right + j * TEAM_COLUMNS * PITCH + d);
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            acc_t row[QUAD];
            read_quad(row, left + i * TEAM_ROWS * PITCH + d);
#pragma unroll
            for (int j = 0; j < 4; ++j)
#pragma unroll
                for (int e = 0; e < QUAD; ++e) sum[i][j] += row[e] * column[j][e];
        }
    }
}

// Add the teams in order and store.
__device__ __forceinline__ void store_outputs(
    acc_t* tile, const acc_t (&sum)[4][4], acc_t* out, int pitch, int rows, int columns
) {
    __syncthreads();
#pragma unroll
    for (int i = 0; i < 16; ++i) tile[i * THREADS + threadIdx.x] = sum[i / 4][i % 4];
    __syncthreads();
    for (int o = (int)threadIdx.x; o < 16 * TEAM; o += THREADS) {
        const int i = o / TEAM, mine = o % TEAM;
        const int row = mine / TEAM_COLUMNS + i / 4 * TEAM_ROWS, column = mine % TEAM_COLUMNS + i % 4 * TEAM_COLUMNS;
        acc_t total = 0;
        for (int team = 0; team < TEAMS; ++team) total += tile[i * THREADS + team * TEAM + mine];
        if (row < rows && column < columns) out[(index_t)row * pitch + column] = total;
    }
}

// Grid: tiles of R (fastest) x tiles of S x J (patchwise) x splits of `share` slices of DEPTH terms. scale and shift
// are [J, R] (patchwise), grad [N, S, L], out [splits, S, R] or [splits, J, S, R].
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT) hidden_gradient(
    const map_t* __restrict__ phi, const map_t* __restrict__ psi, const parameter_t* __restrict__ scale,
    const parameter_t* __restrict__ shift, const relation_t* __restrict__ grad, acc_t* __restrict__ out, int share,
    int batch, SIZE_ARGUMENTS
) {
    __align__(16) __shared__ acc_t tile[TILE_SIZE];
    // Scale and shift from shared memory: the registers are needed for the sums and for loads under way.
    __shared__ acc_t scales[TILE_R], shifts[TILE_R];
    const Sizes sizes = SIZES;
    const index_t plane = sizes.plane(), positions = sizes.positions();
    const index_t length = PATCH ? positions : WINDOW * positions, total = batch * length;
    const int tiles_r = (relations - 1) / TILE_R + 1, tiles_s = (channels - 1) / TILE_S + 1;
    const int top_r = (int)(blockIdx.x % tiles_r) * TILE_R, block = (int)(blockIdx.x / tiles_r);
    const int top_s = block % tiles_s * TILE_S, layer = block / tiles_s;  // layer: split, and j if patchwise
    const int j = PATCH ? layer % (WINDOW + 1) : 0, split = PATCH ? layer / (WINDOW + 1) : layer;
    const int rows = least(channels - top_s, TILE_S), columns = least(relations - top_r, TILE_R);
    const index_t first = (index_t)split * share * DEPTH, left = (total - first - 1) / DEPTH + 1;
    if (PATCH && threadIdx.x < TILE_R) {
        const index_t row = (index_t)j * relations + top_r + least((int)threadIdx.x, columns - 1);
        scales[threadIdx.x] = scale[row];
        shifts[threadIdx.x] = shift[row];
    }

    const index_t mine = first + threadIdx.x % DEPTH, rest = mine % length;
    Term term = {(int)(mine / length), (int)(rest / positions), rest % positions};
    acc_t *tile_s = tile, *tile_r = tile + TILE_S * PITCH, sum[4][4] = {};
    for (int slice = 0; slice < least((index_t)share, left); ++slice) {
        const bool live = term.sample < batch;
        const int middle = sizes.place(term.p, MIDDLE);
        const int near = PATCH && !j ? middle : sizes.place(term.p, PATCH ? j - 1 : term.k);
        const index_t maps = ((index_t)term.sample * relations + top_r) * plane;
        const relation_t* given =
            grad + ((index_t)term.sample * channels + top_s) * length + (PATCH ? 0 : term.k * positions) + term.p;
        const map_t *centres = phi + maps + middle, *values = (PATCH && !j ? phi : psi) + maps + (near < 0 ? 0 : near);
        __syncthreads();
        fill<TILE_S>(tile_s, rows, live, [&](int s) { return load(given + s * length); });
        fill<TILE_R>(tile_r, columns, live, [&](int r) {
            acc_t value = near < 0 ? (acc_t)0 : load(values + r * plane);
            value = PATCH ? scales[r] * value + shifts[r] : load(centres + r * plane) - value;
            return relu(value);
        });
        __syncthreads();
        multiply(tile_s, tile_r, sum);
        advance(term, DEPTH, positions);
    }
    store_outputs(tile, sum, out + ((index_t)layer * channels + top_s) * relations + top_r, relations, rows, columns);
}
