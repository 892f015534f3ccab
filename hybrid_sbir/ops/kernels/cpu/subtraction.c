/* d[n, r, k, p] = phi at the centre of window p minus its k-th neighbour of psi, and the gradients.
   n batch, r channel, k = ky * kernel + kx, p = y * out_width + x. A task is one plane (n, r). */
#include "kernel.h"

/* Copy a plane with its border, mirrored or zero. */
static void pad_plane(const geometry *g, const REAL *plane, REAL *padded) {
    const index_t height = g->height + 2 * g->border, width = g->width + 2 * g->border;
    for (index_t y = 0; y < height; y++)
        for (index_t x = 0; x < width; x++) {
            const index_t from_y = source_index(y, g->height, g->border, g->reflect);
            const index_t from_x = source_index(x, g->width, g->border, g->reflect);
            padded[y * width + x] = from_y < 0 || from_x < 0 ? 0 : plane[from_y * g->width + from_x];
        }
}

/* Add each place of a padded plane to where it came from, always in the same order. */
static void fold_plane(const geometry *g, const REAL *padded, REAL *plane) {
    const index_t height = g->height + 2 * g->border, width = g->width + 2 * g->border;
    for (index_t i = 0; i < g->height * g->width; i++) plane[i] = 0;
    for (index_t y = 0; y < height; y++)
        for (index_t x = 0; x < width; x++) {
            const index_t to_y = source_index(y, g->height, g->border, g->reflect);
            const index_t to_x = source_index(x, g->width, g->border, g->reflect);
            if (to_y >= 0 && to_x >= 0) plane[to_y * g->width + to_x] += padded[y * width + x];
        }
}

/* One row of outputs of one neighbour: constant strides let the loops vectorise. */
INLINE void subtract_row(const REAL *centre, const REAL *near, REAL *d, index_t count, const index_t stride) {
    for (index_t x = 0; x < count; x++) d[x] = centre[x * stride] - near[x * stride];
}

INLINE void spread_row(const REAL *grad, REAL *centre, REAL *near, index_t count, const index_t stride) {
    for (index_t x = 0; x < count; x++) centre[x * stride] += grad[x];
    for (index_t x = 0; x < count; x++) near[x * stride] -= grad[x];
}

/* The places in the maps that belong to row y of outputs and neighbour k. */
INLINE index_t centre_of(const geometry *g, index_t y) {
    const index_t first = g->dilation * (g->kernel / 2) - g->border;
    return (y * g->stride + first) * g->width + first;
}

INLINE index_t near_of(const geometry *g, index_t y, index_t k) {
    const index_t width = g->width + 2 * g->border;
    return (y * g->stride + k / g->kernel * g->dilation) * width + k % g->kernel * g->dilation;
}

/* phi, psi [planes, H, W], d [planes, K, P]; scratch: a padded plane for each thread, `pitch` apart. */
EXPORT void subtraction(const REAL *phi, const REAL *psi, REAL *d, REAL *scratch, const geometry *g, index_t planes,
                        index_t pitch, index_t threads) {
    const index_t size = g->height * g->width, k_count = g->kernel * g->kernel, width = g->out_width;
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (index_t plane = 0; plane < planes; plane++) {
        REAL *padded = scratch + omp_get_thread_num() * pitch, *out = d + plane * k_count * g->out_height * width;
        pad_plane(g, psi + plane * size, padded);
        for (index_t k = 0; k < k_count; k++)
            for (index_t y = 0; y < g->out_height; y++, out += width) {
                const REAL *centre = phi + plane * size + centre_of(g, y), *near = padded + near_of(g, y, k);
                if (g->stride == 1) subtract_row(centre, near, out, width, 1);
                else subtract_row(centre, near, out, width, g->stride);
            }
    }
}

/* grad [planes, K, P], grad_phi and grad_psi [planes, H, W]; scratch as above. */
EXPORT void subtraction_backward(const REAL *grad, REAL *grad_phi, REAL *grad_psi, REAL *scratch, const geometry *g,
                                 index_t planes, index_t pitch, index_t threads) {
    const index_t size = g->height * g->width, k_count = g->kernel * g->kernel, width = g->out_width;
    const index_t padded_size = (g->height + 2 * g->border) * (g->width + 2 * g->border);
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (index_t plane = 0; plane < planes; plane++) {
        REAL *padded = scratch + omp_get_thread_num() * pitch, *centres = grad_phi + plane * size;
        const REAL *in = grad + plane * k_count * g->out_height * width;
        for (index_t i = 0; i < padded_size; i++) padded[i] = 0;
        for (index_t i = 0; i < size; i++) centres[i] = 0;
        for (index_t k = 0; k < k_count; k++)
            for (index_t y = 0; y < g->out_height; y++, in += width) {
                REAL *centre = centres + centre_of(g, y), *near = padded + near_of(g, y, k);
                if (g->stride == 1) spread_row(in, centre, near, width, 1);
                else spread_row(in, centre, near, width, g->stride);
            }
        fold_plane(g, padded, grad_psi + plane * size);
    }
}
