// What the aggregation's kernels share: a block's place in the tensors, and the planes it reads again and again.
//
// N batch, C aggregated channels, G weight channels (channel c uses weight c mod G), Q = C / G channels that share a
// weight, H, W input size, OH, OW output size, P = OH * OW, K = KERNEL_SIZE * KERNEL_SIZE.
//
// A block works for one sample n, one weight channel g, PLANES of its Q channels and one tile of positions, a thread for
// each position with PLANES accumulators. Why so: of the memory moved, the weights are K / Q times as much as the
// features (6 times for k = 7, Q = 8). This way each weight is read from memory once, by neighbouring threads from
// neighbouring addresses, KERNEL_SIZE loads in flight per thread, and serves PLANES products from a register.
//
// What is read K times are the planes. TILED puts the part that the tile's windows see, border resolved, into shared
// memory, as chunks of 16 bytes that hold one position of 4 planes (float) or 8 (half): 2 shared loads per float weight
// and PLANES = 8, without bank conflicts, since neighbours in x are neighbours in the chunk's array. From global memory
// it would be 8 loads, each crossing two cache lines, and index arithmetic for each: more than the time in which the
// memory delivers the weight. Without TILED, planes are read where they lie: for windows whose tile would not fit shared
// memory or whose values would be read hardly more than once (tiling.py decides).
//
// Constants: PLANES (1, 2, 4 or 8), TILED (0 or 1), SOFTMAX (0 or 1). Types: x_t features and their gradient,
// weight_t weights or logits.

// Threads of a block at most; tiling.py has the same number. Blocks a multiprocessor should hold at once: three leave 80
// registers a thread, enough to keep everything in them, and 768 threads with KERNEL_SIZE loads in flight. Left to itself
// the compiler aims at four blocks and moves registers to memory. Wide numbers and windows need more, and reads without a
// tile.
#define THREADS 256
#define RESIDENT (sizeof(acc_t) == 8 || !TILED ? 1 : sizeof(index_t) == 8 || KERNEL_SIZE > 7 ? 2 : 3)

#define VALUES (PLANES * sizeof(x_t) > 16 ? 16 / sizeof(x_t) : PLANES)
#define CHUNKS (PLANES / VALUES)

struct __align__(VALUES * sizeof(x_t)) Chunk {
    x_t values[VALUES];
};

// Sizes of the tensors and of the tile, as the launch gives them. A tile of rows x columns positions reads
// source_rows x source_columns positions of the planes.
struct Sizes {
    int channels, groups, height, width, out_height, out_width, stride, border, dilation;
    int rows, columns, source_rows, source_columns;
};

#define SIZE_ARGUMENTS                                                                                        \
    int channels, int groups, int height, int width, int out_height, int out_width, int stride, int border,   \
        int dilation, int rows, int columns, int source_rows, int source_columns
#define SIZES                                                                                              \
    { channels, groups, height, width, out_height, out_width, stride, border, dilation, rows, columns,     \
      source_rows, source_columns }

// Where a thread works. Blocks lie along grid.x alone, which takes 2^31 - 1 of them: blocks of planes innermost (they
// read the same weights, so the second finds them in the L2 cache), then tiles, then weight channels and samples.
struct Place {
    int sample, group, first_plane, planes, y0, x0, y, x;
    bool inside;

    // over_y x over_x: the positions that all tiles together cover.
    __device__ Place(const Sizes& s, int over_y, int over_x, bool all_planes) {
        int share = s.channels / s.groups;
        int plane_blocks = all_planes ? 1 : (share + PLANES - 1) / PLANES;
        int tiles_x = (over_x + s.columns - 1) / s.columns, tiles_y = (over_y + s.rows - 1) / s.rows;
        int rest = blockIdx.x;
        first_plane = rest % plane_blocks * PLANES;
        rest /= plane_blocks;
        x0 = rest % tiles_x * s.columns;
        rest /= tiles_x;
        y0 = rest % tiles_y * s.rows;
        rest /= tiles_y;
        group = rest % s.groups;
        sample = rest / s.groups;
        planes = share - first_plane < PLANES ? share - first_plane : PLANES;
        int row = threadIdx.x / s.columns;
        y = y0 + row;
        x = x0 + threadIdx.x - row * s.columns;
        inside = row < s.rows && y < over_y && x < over_x;
    }

    // Offset of the first plane of this block in a tensor (N, C, area); plane j lies j * groups * area further.
    __device__ index_t plane_offset(const Sizes& s, index_t area) const {
        return ((index_t)sample * s.channels + (index_t)first_plane * s.groups + group) * area;
    }

    // Offset of this weight channel in a tensor (N, G, area).
    __device__ index_t group_offset(const Sizes& s, index_t area) const {
        return ((index_t)sample * s.groups + group) * area;
    }
};

// An axis of the planes: position i of the tile is position origin + i of the axis with its border. A tile may reach over
// the border's end; what it finds there (a value of the map, or a negative position, which counts as 0) no thread reads.
struct Axis {
    int origin, border, size;

    __device__ int operator()(int i) const { return source(origin + i, border, size); }
};

// PLANES planes of a tensor, `stride` elements apart; those past `planes` and the border's zeros read as 0.
struct Planes {
    const x_t* base;
    index_t stride;
    int planes;
    Axis y, x;
    Chunk* tile;
    int columns, area;

    // One value where it lies; row and column of the map itself, negative for a zero.
    __device__ x_t value(int plane, int row, int column) const {
        x_t zero = {};
        bool there = plane < planes && row >= 0 && column >= 0;
        return there ? base[plane * stride + (index_t)row * x.size + column] : zero;
    }

    // Fill the tile; all threads of the block together, a __syncthreads() must follow. Neighbouring threads read
    // neighbouring addresses of each plane and write whole chunks.
    __device__ void fill(int rows) const {
        for (int i = threadIdx.x; i < rows * columns; i += blockDim.x) {
            int row = y(i / columns), column = x(i % columns);
#pragma unroll
            for (int c = 0; c < CHUNKS; ++c) {
                Chunk chunk;
#pragma unroll
                for (int v = 0; v < VALUES; ++v) chunk.values[v] = value(c * VALUES + v, row, column);
                tile[c * area + i] = chunk;
            }
        }
    }

    // The PLANES values at a position of the tile.
    __device__ __forceinline__ void read(int row, int column, acc_t* values) const {
        int mapped_row = TILED ? 0 : y(row), mapped_column = TILED ? 0 : x(column);
#pragma unroll
        for (int c = 0; c < CHUNKS; ++c) {
            Chunk chunk;
            if (TILED) chunk = tile[c * area + row * columns + column];
#pragma unroll
            for (int v = 0; v < VALUES; ++v) {
                if (!TILED) chunk.values[v] = value(c * VALUES + v, mapped_row, mapped_column);
                values[c * VALUES + v] = load(&chunk.values[v]);
            }
        }
    }
};
