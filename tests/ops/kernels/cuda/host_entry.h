// Included below a program's text: a C entry for each kernel, which takes its arguments as cuLaunchKernel does (an array
// of pointers to them), and a description of them that the launcher holds against what it was given.

int shim_run(void (*thread)(void*), void* call, int grid, int block, int shared, int fibres, int reversed);

template <int... I> struct ShimIndices {};
template <int N, int... I> struct ShimCount : ShimCount<N - 1, N - 1, I...> {};
template <int... I> struct ShimCount<0, I...> {
    typedef ShimIndices<I...> type;
};

template <class... A> struct ShimCall {
    void (*kernel)(A...);
    void** arguments;

    template <int... I> void run(ShimIndices<I...>) { kernel(*(A*)arguments[I]...); }
    static void thread(void* call) { ((ShimCall*)call)->run(typename ShimCount<sizeof...(A)>::type()); }
};

// A letter an argument: what is read (const) small, what is written large.
template <class X> struct ShimLetter;
#define SHIM_LETTER(X, small, large)                               \
    template <> struct ShimLetter<const X*> { enum { is = small }; }; \
    template <> struct ShimLetter<X*> { enum { is = large }; };
SHIM_LETTER(double, 'd', 'D')
SHIM_LETTER(float, 'f', 'F')
SHIM_LETTER(half_t, 'h', 'H')
SHIM_LETTER(bfloat16_t, 'b', 'B')
template <> struct ShimLetter<int> { enum { is = 'i' }; };
template <> struct ShimLetter<double> { enum { is = 'r' }; };

template <class... A> const char* shim_letters(void (*)(A...)) {
    static const char letters[] = {(char)ShimLetter<A>::is..., 0};
    return letters;
}

template <class... A>
int shim_launch(void (*kernel)(A...), int grid, int block, int shared, void** arguments, int fibres, int reversed) {
    ShimCall<A...> call = {kernel, arguments};
    return shim_run(ShimCall<A...>::thread, &call, grid, block, shared, fibres, reversed);
}

#define SHIM_ENTRY(name)                                                                                          \
    extern "C" __attribute__((visibility("default"))) const char* letters_##name() { return shim_letters(name); } \
    extern "C" __attribute__((visibility("default"))) int launch_##name(int grid, int block, int shared,          \
                                                                        void** arguments, int fibres, int reversed) { \
        return shim_launch(name, grid, block, shared, arguments, fibres, reversed);                               \
    }
