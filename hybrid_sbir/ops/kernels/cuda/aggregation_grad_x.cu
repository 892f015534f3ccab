// grad_x[n, c, q] = sum over the pairs (k, p) whose k-th neighbour of p is q of weight[n, c mod G, k, p] * grad[n, c, p];
// with SOFTMAX the weight is exp(logit - lse[p]). See tiles.cu for the mapping: here a thread has a position q of the
// input, and the tile holds grad.
//
// A gather: each pair (k, p) has one q, so each weight is read by one thread, once, and nothing is added by two threads.
// The order of the additions is fixed. Positions near a reflecting border have up to 3 images on each axis; a warp
// follows an image only where one of its threads has it.

extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
aggregation_grad_x(const x_t* __restrict__ grad, const weight_t* __restrict__ weight, const acc_t* __restrict__ lse,
                   x_t* __restrict__ grad_x, SIZE_ARGUMENTS) {
    DYNAMIC_SHARED(memory);
    const Sizes s = SIZES;
    const Place at(s, height, width, false);
    const index_t area = (index_t)height * width, positions = (index_t)out_height * out_width;
    // The first output whose window reaches the tile's first row (column): the window's last row does.
    const int reach = (KERNEL_SIZE - 1) * dilation - border;
    const int top = at.y0 > reach ? (at.y0 - reach + stride - 1) / stride : 0;
    const int left = at.x0 > reach ? (at.x0 - reach + stride - 1) / stride : 0;
    const Planes near = {grad + at.plane_offset(s, positions), groups * positions, at.planes,
                         {top, 0, out_height}, {left, 0, out_width},
                         (Chunk*)memory, source_columns, source_rows * source_columns};
    if (TILED) {
        near.fill(source_rows);
        __syncthreads();
    }
    if (!at.inside) return;

    const weight_t* weights = weight + at.group_offset(s, KERNEL_SIZE * KERNEL_SIZE * positions);
    const acc_t* divisors = lse + (SOFTMAX ? at.group_offset(s, positions) : 0);
    acc_t total[PLANES] = {};
    for (int i = 0; i < PREIMAGES; ++i) {
        const int padded_y = preimage(i, at.y, border, height);
        if (padded_y < 0) continue;
        for (int j = 0; j < PREIMAGES; ++j) {
            const int padded_x = preimage(j, at.x, border, width);
            if (padded_x < 0) continue;
            int out_x[KERNEL_SIZE];
#pragma unroll
            for (int kx = 0; kx < KERNEL_SIZE; ++kx) out_x[kx] = output_at(padded_x, kx, stride, dilation, out_width);
            for (int ky = 0; ky < KERNEL_SIZE; ++ky) {
                const int out_y = output_at(padded_y, ky, stride, dilation, out_height);
                if (out_y < 0) continue;
                acc_t row[KERNEL_SIZE], sum[PLANES] = {};
#pragma unroll
                for (int kx = 0; kx < KERNEL_SIZE; ++kx) {
                    if (out_x[kx] < 0) continue;
                    const index_t p = (index_t)out_y * out_width + out_x[kx];
                    row[kx] = load_once(weights + (ky * KERNEL_SIZE + kx) * positions + p);
                    if (SOFTMAX) row[kx] = exponential(row[kx] - load(divisors + p));
                }
#pragma unroll
                for (int kx = 0; kx < KERNEL_SIZE; ++kx) {
                    if (out_x[kx] < 0) continue;
                    acc_t values[PLANES];
                    near.read(out_y - top, out_x[kx] - left, values);
#pragma unroll
                    for (int c = 0; c < PLANES; ++c) sum[c] += row[kx] * values[c];
                }
#pragma unroll
                for (int c = 0; c < PLANES; ++c) total[c] += sum[c];
            }
        }
    }

    x_t* results = grad_x + at.plane_offset(s, area) + (index_t)at.y * width + at.x;
#pragma unroll
    for (int c = 0; c < PLANES; ++c)
        if (c < at.planes) store(results + c * (groups * area), total[c]);
}
