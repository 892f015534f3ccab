// Sizes of a relation's tensors, and where a window's values lie: for kernels that go through (neighbour, position).
//
// Shapes: N batch, R relation channels, S hidden channels, H, W input size, OH, OW output size, P = OH * OW, K =
// KERNEL_SIZE ** 2, J = K + 1 (the centre first, then the neighbours).
//
// Types: map_t phi and psi; relation_t the relation or its gradient; parameter_t parameters, always acc_t.

#define WINDOW (KERNEL_SIZE * KERNEL_SIZE)
#define MIDDLE (WINDOW / 2)  // the neighbour that is the centre

struct Sizes {
    int relations, channels, height, width, out_height, out_width, stride, border, dilation;

    __device__ __forceinline__ index_t plane() const { return (index_t)height * width; }
    __device__ __forceinline__ index_t positions() const { return (index_t)out_height * out_width; }

    // Where neighbour k of output p lies in a plane; -1 is a zero of the border.
    __device__ __forceinline__ int place(index_t p, int k) const {
        const int y = (int)(p / out_width), x = (int)(p % out_width);
        const int row = source(y * stride + k / KERNEL_SIZE * dilation, border, height);
        const int column = source(x * stride + k % KERNEL_SIZE * dilation, border, width);
        return row < 0 || column < 0 ? -1 : row * width + column;
    }
};

// A kernel's last arguments, in the order of Maps.run.
#define SIZE_ARGUMENTS                                                                                               \
    int relations, int channels, int height, int width, int out_height, int out_width, int stride, int border,       \
        int dilation
#define SIZES {relations, channels, height, width, out_height, out_width, stride, border, dilation}

template <typename Number>
__device__ __forceinline__ Number least(Number a, Number b) {
    return a < b ? a : b;
}

__device__ __forceinline__ acc_t relu(acc_t value) { return value < 0 ? (acc_t)0 : value; }  // a NaN stays one

// Whether the gradient of relu(value) passes, as in PyTorch: a NaN lets it.
__device__ __forceinline__ bool passes(acc_t value) { return !(value <= 0); }

// Blocks of 256 threads that a multiprocessor should hold at once: two leave 128 registers a thread, which the sums, a
// tile's loads and their addresses need. Sums in double, or offsets of 64 bits, take twice as many.
#define RESIDENT (sizeof(acc_t) == 8 || sizeof(index_t) == 8 ? 1 : 2)
