// What every kernel shares: storage types, the border's index map and its pre-images. No header is included, because
// the NVRTC that pip installs has none (cuda_fp16.h and cuda_bf16.h are not in its wheel).
//
// programs.py writes above this text: KERNEL_SIZE, REFLECT (0 or 1) and the kernel's own numbers as defines, and
//   typedef float|double acc_t;       every sum is made in it
//   typedef int|long long index_t;    offsets into tensors; every single size fits an int
// and below it one typedef a tensor type (x_t, weight_t, ...). Tests compile the same text with a host compiler; what
// only a GPU has (conversions, streaming loads, shared memory) stands in one place, below HOST_SHIM.

struct half_t {
    unsigned short bits;
};

struct bfloat16_t {
    unsigned short bits;
};

#ifndef HOST_SHIM
__device__ __forceinline__ float half_to_float(unsigned short bits) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
}

__device__ __forceinline__ unsigned short float_to_half(float value) {
    unsigned short bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}

// Memory whose size the launch gives, aligned for 16-byte loads.
#define DYNAMIC_SHARED(name) extern __shared__ __align__(16) unsigned char name[]
#endif

__device__ __forceinline__ acc_t load(const double* at) { return (acc_t)*at; }
__device__ __forceinline__ acc_t load(const float* at) { return (acc_t)*at; }
__device__ __forceinline__ acc_t load(const half_t* at) { return (acc_t)half_to_float(at->bits); }
__device__ __forceinline__ acc_t load(const bfloat16_t* at) {
    return (acc_t)__uint_as_float((unsigned int)at->bits << 16);
}

// As load, for what this kernel reads once: it leaves the caches to what is read again.
__device__ __forceinline__ acc_t load_once(const double* at) { return (acc_t)__ldcs(at); }
__device__ __forceinline__ acc_t load_once(const float* at) { return (acc_t)__ldcs(at); }
__device__ __forceinline__ acc_t load_once(const half_t* at) { return (acc_t)half_to_float(__ldcs(&at->bits)); }
__device__ __forceinline__ acc_t load_once(const bfloat16_t* at) {
    return (acc_t)__uint_as_float((unsigned int)__ldcs(&at->bits) << 16);
}

__device__ __forceinline__ void store(double* at, acc_t value) { *at = (double)value; }
__device__ __forceinline__ void store(float* at, acc_t value) { *at = (float)value; }
__device__ __forceinline__ void store(half_t* at, acc_t value) { at->bits = float_to_half((float)value); }

// Round to nearest, ties to even; a NaN keeps its sign and stays a NaN (adding could carry it over to infinity).
__device__ __forceinline__ void store(bfloat16_t* at, acc_t value) {
    unsigned int bits = __float_as_uint((float)value);
    bool is_nan = (bits & 0x7fffffffu) > 0x7f800000u;
    at->bits = (unsigned short)((is_nan ? bits | 0x400000u : bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

__device__ __forceinline__ float exponential(float value) { return expf(value); }
__device__ __forceinline__ double exponential(double value) { return exp(value); }
__device__ __forceinline__ float logarithm(float value) { return logf(value); }
__device__ __forceinline__ double logarithm(double value) { return log(value); }

// The lowest finite number: where a running maximum starts. With minus infinity, -inf - -inf would be NaN.
__device__ __forceinline__ acc_t lowest() { return sizeof(acc_t) == 8 ? (acc_t)-1.7976931348623157e308 : (acc_t)-3.402823466e38f; }

// Where position `padded` of an axis with `border` comes from, 0 <= result < size; -1 is a zero of the border.
// Reflection needs border < size; the front door has checked it.
__device__ __forceinline__ int source(int padded, int border, int size) {
    int position = padded - border;
    if (REFLECT) {
        position = position < 0 ? -position : position;
        return position >= size ? 2 * (size - 1) - position : position;
    }
    return position >= 0 && position < size ? position : -1;
}

// The gradient of the border is a gather: the positions of the padded axis that source() maps to `position`. At most
// three: itself, and its image before the first or after the last position; both only where size <= 2 * border + 1. So
//     for (int i = 0; i < PREIMAGES; ++i) { int padded = preimage(i, position, border, size); if (padded < 0) continue; ...
// visits each of them once, always in the same order, and image 2 exists on the smallest maps only.
#define PREIMAGES (REFLECT && KERNEL_SIZE > 1 ? 3 : 1)

__device__ __forceinline__ int preimage(int i, int position, int border, int size) {
    if (i == 0) return position + border;
    bool before = position >= 1 && position <= border;
    bool after = position <= size - 2 && position >= size - 1 - border;
    if (i == 1 && before) return border - position;
    return after && (i == 2) == before ? border + 2 * (size - 1) - position : -1;
}

// The output whose window has `padded` as its k-th row (or column), or -1 if there is none.
__device__ __forceinline__ int output_at(int padded, int k, int stride, int dilation, int out_size) {
    int start = padded - k * dilation;
    if (stride == 1) return start < out_size ? (start < 0 ? -1 : start) : -1;
    return start >= 0 && start % stride == 0 && start / stride < out_size ? start / stride : -1;
}

// The output whose window is centred at `position` of the map, or -1 if there is none.
__device__ __forceinline__ int centred_at(int position, int border, int stride, int dilation, int out_size) {
    return output_at(position + border, KERNEL_SIZE / 2, stride, dilation, out_size);
}
