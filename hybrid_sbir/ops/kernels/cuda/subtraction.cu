// Subtraction: d[n, r, k, p] = phi[n, r, centre of p] - psi[n, r, k-th neighbour of p], and both its gradients.
//
// N batch, R relation channels, H, W input size, OH, OW output size, P = OH * OW, K = KERNEL_SIZE * KERNEL_SIZE. d is
// K times as large as what it is made of: a thread has one position of one plane and writes (or reads) its K values,
// side by side with its neighbours', while the small maps stay in the caches.
//
// Types: phi_t phi, d and their gradients; psi_t psi and its gradient.

// Threads of a block at most; two such blocks a multiprocessor leave the registers that a row of loads needs
// (with 64-bit addresses, one). Of all rows at once the loads would not fit: the loops over ky are not unrolled.
#define THREADS 256
#define RESIDENT (sizeof(index_t) == 8 ? 1 : 2)

struct Place {
    index_t plane, position;

    // Blocks along grid.x: those of a plane together.
    __device__ Place(index_t positions) {
        const int blocks = (int)((positions + blockDim.x - 1) / blockDim.x);
        plane = (int)blockIdx.x / blocks;
        position = (index_t)((int)blockIdx.x % blocks) * blockDim.x + threadIdx.x;
    }
};

extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
subtraction(const phi_t* __restrict__ phi, const psi_t* __restrict__ psi, phi_t* __restrict__ difference, int height,
            int width, int out_height, int out_width, int stride, int border, int dilation) {
    const index_t positions = (index_t)out_height * out_width;
    const Place at(positions);
    if (at.position >= positions) return;
    const int out_y = (int)(at.position / out_width), out_x = (int)(at.position % out_width);
    const int top = out_y * stride, left = out_x * stride, reach = KERNEL_SIZE / 2 * dilation;
    const index_t area = (index_t)height * width;
    const psi_t* near = psi + at.plane * area;
    const acc_t centre = load(phi + at.plane * area + (index_t)(top + reach - border) * width + left + reach - border);
    phi_t* results = difference + at.plane * KERNEL_SIZE * KERNEL_SIZE * positions + at.position;
    int columns[KERNEL_SIZE];
#pragma unroll
    for (int kx = 0; kx < KERNEL_SIZE; ++kx) columns[kx] = source(left + kx * dilation, border, width);
#pragma unroll 1
    for (int ky = 0; ky < KERNEL_SIZE; ++ky) {
        const int row = source(top + ky * dilation, border, height);
#pragma unroll
        for (int kx = 0; kx < KERNEL_SIZE; ++kx) {
            bool there = row >= 0 && columns[kx] >= 0;
            store(results, centre - (there ? load(near + (index_t)row * width + columns[kx]) : (acc_t)0));
            results += positions;
        }
    }
}

// Minus the sum over the outputs and k whose k-th neighbour is (y, x), for one image of the position on each axis; a
// row of the window at a time. The sum over k of the output `centred` here (-1: none) is made on the way, so that its
// values, read by a neighbour at this moment, come from the cache.
__device__ __forceinline__ void gather(const phi_t* grad, int padded_y, int padded_x, index_t centred, int out_height,
                                       int out_width, int stride, int dilation, acc_t* near, acc_t* centre) {
    const index_t positions = (index_t)out_height * out_width;
    int columns[KERNEL_SIZE];
#pragma unroll
    for (int kx = 0; kx < KERNEL_SIZE; ++kx) columns[kx] = output_at(padded_x, kx, stride, dilation, out_width);
#pragma unroll 1
    for (int ky = 0; ky < KERNEL_SIZE; ++ky) {
        const int row = output_at(padded_y, ky, stride, dilation, out_height);
        acc_t near_sum = 0, centre_sum = 0;
#pragma unroll
        for (int kx = 0; kx < KERNEL_SIZE; ++kx) {
            const phi_t* plane = grad + (ky * KERNEL_SIZE + kx) * positions;
            if (centred >= 0) centre_sum += load(plane + centred);
            if (row >= 0 && columns[kx] >= 0) near_sum += load(plane + (index_t)row * out_width + columns[kx]);
        }
        *near -= near_sum;
        *centre += centre_sum;
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
subtraction_backward(const phi_t* __restrict__ grad, phi_t* __restrict__ grad_phi, psi_t* __restrict__ grad_psi,
                     int height, int width, int out_height, int out_width, int stride, int border, int dilation) {
    const index_t area = (index_t)height * width;
    const Place at(area);
    if (at.position >= area) return;
    const int y = (int)(at.position / width), x = (int)(at.position % width);
    const index_t positions = (index_t)out_height * out_width;
    const phi_t* gradients = grad + at.plane * KERNEL_SIZE * KERNEL_SIZE * positions;
    const int out_y = centred_at(y, border, stride, dilation, out_height);
    const int out_x = centred_at(x, border, stride, dilation, out_width);
    acc_t near = 0, centre = 0;
    for (int i = 0; i < PREIMAGES; ++i) {
        const int padded_y = preimage(i, y, border, height);
        if (padded_y < 0) continue;
        for (int j = 0; j < PREIMAGES; ++j) {
            const int padded_x = preimage(j, x, border, width);
            if (padded_x < 0) continue;
            bool first = i == 0 && j == 0 && out_y >= 0 && out_x >= 0;
            index_t centred = first ? (index_t)out_y * out_width + out_x : -1;
            gather(gradients, padded_y, padded_x, centred, out_height, out_width, stride, dilation, &near, &centre);
        }
    }
    store(grad_phi + at.plane * area + at.position, centre);
    store(grad_psi + at.plane * area + at.position, near);
}
