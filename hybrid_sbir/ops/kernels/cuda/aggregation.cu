// y[n, c, p] = sum over k of weight[n, c mod G, k, p] * x[n, c, k-th neighbour of p]; with SOFTMAX the weights are
// exp(logit - lse), lse = log of the sum over k of exp(logit). See tiles.cu for the mapping.
//
// The softmax needs one pass over the logits (online: Milakov and Gimelshein, 2018), a row of the window at a time, so
// that sums are rescaled KERNEL_SIZE times and not K times. A row is summed by itself before it is added: the rounding
// error grows with 2 * KERNEL_SIZE instead of K.

extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
aggregation(const x_t* __restrict__ x, const weight_t* __restrict__ weight, x_t* __restrict__ y,
            acc_t* __restrict__ lse, SIZE_ARGUMENTS) {
    DYNAMIC_SHARED(memory);
    const Sizes s = SIZES;
    const Place at(s, out_height, out_width, false);
    const index_t area = (index_t)height * width, positions = (index_t)out_height * out_width;
    const Planes near = {x + at.plane_offset(s, area), groups * area, at.planes,
                         {at.y0 * stride, border, height}, {at.x0 * stride, border, width},
                         (Chunk*)memory, source_columns, source_rows * source_columns};
    if (TILED) {
        near.fill(source_rows);
        __syncthreads();
    }
    if (!at.inside) return;

    const index_t p = (index_t)at.y * out_width + at.x;
    const weight_t* weights = weight + at.group_offset(s, KERNEL_SIZE * KERNEL_SIZE * positions) + p;
    const int top = (at.y - at.y0) * stride, left = (at.x - at.x0) * stride;
    acc_t total[PLANES] = {}, largest = lowest(), divisor = 0;
    for (int ky = 0; ky < KERNEL_SIZE; ++ky) {
        acc_t row[KERNEL_SIZE], sum[PLANES] = {};
#pragma unroll
        for (int kx = 0; kx < KERNEL_SIZE; ++kx) {
            row[kx] = load_once(weights);
            weights += positions;
        }
        if (SOFTMAX) {
            acc_t before = largest, part = 0;
#pragma unroll
            for (int kx = 0; kx < KERNEL_SIZE; ++kx) largest = row[kx] > largest ? row[kx] : largest;
            acc_t scale = exponential(before - largest);
#pragma unroll
            for (int kx = 0; kx < KERNEL_SIZE; ++kx) part += row[kx] = exponential(row[kx] - largest);
            divisor = divisor * scale + part;
#pragma unroll
            for (int j = 0; j < PLANES; ++j) total[j] *= scale;
        }
#pragma unroll
        for (int kx = 0; kx < KERNEL_SIZE; ++kx) {
            acc_t values[PLANES];
            near.read(top + ky * dilation, left + kx * dilation, values);
#pragma unroll
            for (int j = 0; j < PLANES; ++j) sum[j] += row[kx] * values[j];
        }
#pragma unroll
        for (int j = 0; j < PLANES; ++j) total[j] += sum[j];
    }

    x_t* results = y + at.plane_offset(s, positions) + p;
#pragma unroll
    for (int j = 0; j < PLANES; ++j)
        if (j < at.planes) store(results + j * (groups * positions), SOFTMAX ? total[j] / divisor : total[j]);
    if (SOFTMAX && at.first_plane == 0) store(lse + at.group_offset(s, positions) + p, largest + logarithm(divisor));
}
