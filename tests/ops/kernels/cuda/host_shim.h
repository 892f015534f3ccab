// What CUDA gives a kernel, for a host compiler: included above a program's text, which stays as it is.
// A block's threads take turns (host_runtime.cpp); shared memory is full of NaN when a block starts. No standard header:
// reading <cmath> would take longer than compiling the kernels.

#define HOST_SHIM 1
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) alignas(n)
// One section, so that the runtime finds all of it.
#define __shared__ static __attribute__((section("shared_memory"), aligned(16)))
#define DYNAMIC_SHARED(name) unsigned char* const name = shim_dynamic_shared
#define __syncthreads() shim_wait(__LINE__)

#define expf __builtin_expf
#define exp __builtin_exp
#define logf __builtin_logf
#define log __builtin_log

struct ShimIndex {
    unsigned int x, y, z;
};

extern ShimIndex threadIdx, blockIdx, blockDim, gridDim;
extern unsigned char shim_dynamic_shared[];
void shim_wait(int line);

inline unsigned int __float_as_uint(float value) {
    unsigned int bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    return bits;
}

inline float __uint_as_float(unsigned int bits) {
    float value;
    __builtin_memcpy(&value, &bits, sizeof value);
    return value;
}

inline float half_to_float(unsigned short bits) {
    unsigned int sign = (bits & 0x8000u) << 16, exponent = bits >> 10 & 31u, fraction = bits & 0x3ffu;
    if (exponent == 31) return __uint_as_float(sign | 0x7f800000u | fraction << 13);
    if (exponent) return __uint_as_float(sign | (exponent + 112) << 23 | fraction << 13);
    float tiny = __builtin_ldexpf((float)fraction, -24);
    return sign ? -tiny : tiny;
}

// To nearest, ties to even, as cvt.rn: scale so that the last kept bit has value 1, round, and scale back.
inline unsigned short float_to_half(float value) {
    unsigned int bits = __float_as_uint(value), sign = bits >> 16 & 0x8000u;
    float magnitude = __builtin_fabsf(value);
    if (magnitude != magnitude) return (unsigned short)(sign | 0x7fff);
    if (magnitude >= 65520.0f) return (unsigned short)(sign | 0x7c00);
    if (magnitude < 6.103515625e-05f) return (unsigned short)(sign | (unsigned int)__builtin_rintf(__builtin_ldexpf(magnitude, 24)));
    int exponent = (int)(__float_as_uint(magnitude) >> 23) - 127;
    unsigned int kept = (unsigned int)__builtin_rintf(__builtin_ldexpf(magnitude, 10 - exponent));  // 1024 ... 2048
    return (unsigned short)(sign | ((unsigned int)(exponent + 15) << 10) + (kept - 1024));
}

template <class X> inline X __ldg(const X* at) { return *at; }
template <class X> inline X __ldcs(const X* at) { return *at; }
template <class X> inline void __stcs(X* at, X value) { *at = value; }
