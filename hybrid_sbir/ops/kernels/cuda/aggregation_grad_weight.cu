// grad_weight[n, g, k, p] = sum over the channels c that use g of grad[n, c, p] * x[n, c, k-th neighbour of p]; with
// SOFTMAX the gradient of the logits, w * (that - sum over c of grad * y), w = exp(logit - lse). See tiles.cu for the
// mapping. A block adds over all channels that share the weight: PLANES of them from registers; where there are more
// (then without a tile), it goes over them PLANES at a time for each k.

// Sum over this block's planes of grad times the values at a position of the tile.
__device__ __forceinline__ acc_t product(const Planes& near, const acc_t* gradient, int row, int column) {
    acc_t values[PLANES], sum = 0;
    near.read(row, column, values);
#pragma unroll
    for (int j = 0; j < PLANES; ++j) sum += gradient[j] * values[j];
    return sum;
}

// PLANES numbers, `stride` apart; those past `planes` are 0.
__device__ __forceinline__ void load_planes(const x_t* from, index_t stride, int planes, acc_t* values) {
#pragma unroll
    for (int j = 0; j < PLANES; ++j) values[j] = j < planes ? load(from + j * stride) : (acc_t)0;
}

extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
aggregation_grad_weight(const x_t* __restrict__ grad, const x_t* __restrict__ x, const weight_t* __restrict__ logits,
                        const x_t* __restrict__ y, const acc_t* __restrict__ lse, weight_t* __restrict__ grad_weight,
                        SIZE_ARGUMENTS) {
    DYNAMIC_SHARED(memory);
    const Sizes s = SIZES;
    const Place at(s, out_height, out_width, true);
    const int share = channels / groups;
    const index_t area = (index_t)height * width, positions = (index_t)out_height * out_width;
    const index_t stride_in = groups * area, stride_out = groups * positions;
    Planes near = {x + at.plane_offset(s, area), stride_in, at.planes,
                   {at.y0 * stride, border, height}, {at.x0 * stride, border, width},
                   (Chunk*)memory, source_columns, source_rows * source_columns};
    if (TILED) {
        near.fill(source_rows);
        __syncthreads();
    }
    if (!at.inside) return;

    const index_t p = (index_t)at.y * out_width + at.x;
    const index_t first = at.group_offset(s, KERNEL_SIZE * KERNEL_SIZE * positions) + p;
    const x_t* gradients = grad + at.plane_offset(s, positions) + p;
    const int top = (at.y - at.y0) * stride, left = (at.x - at.x0) * stride;
    acc_t gradient[PLANES], divisor = 0, projection = 0;
    load_planes(gradients, stride_out, at.planes, gradient);
    if (SOFTMAX) {
        divisor = load(lse + at.group_offset(s, positions) + p);
        const x_t* results = y + at.plane_offset(s, positions) + p;
        for (int c = 0; c < share; ++c) projection += load(gradients + c * stride_out) * load(results + c * stride_out);
    }
    for (int ky = 0; ky < KERNEL_SIZE; ++ky) {
        acc_t row[KERNEL_SIZE];
        if (SOFTMAX) {
#pragma unroll
            for (int kx = 0; kx < KERNEL_SIZE; ++kx)
                row[kx] = load_once(logits + first + (ky * KERNEL_SIZE + kx) * positions);
        }
#pragma unroll
        for (int kx = 0; kx < KERNEL_SIZE; ++kx) {
            acc_t sum = product(near, gradient, top + ky * dilation, left + kx * dilation);
            if (!TILED) {
                for (int c = PLANES; c < share; c += PLANES) {
                    acc_t others[PLANES];
                    Planes there = near;
                    there.base += c * stride_in;
                    there.planes = share - c < PLANES ? share - c : PLANES;
                    load_planes(gradients + c * stride_out, stride_out, there.planes, others);
                    sum += product(there, others, top + ky * dilation, left + kx * dilation);
                }
            }
            if (SOFTMAX) sum = exponential(row[kx] - divisor) * (sum - projection);
            store(grad_weight + first + (ky * KERNEL_SIZE + kx) * positions, sum);
        }
    }
}
