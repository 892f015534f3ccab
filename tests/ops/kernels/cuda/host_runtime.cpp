// Runs a kernel's blocks one after another, a block's threads in turns: each to its next __syncthreads, then the next
// one, in increasing or decreasing order. With a barrier missing, the first thread meets shared memory that others have
// not written (NaN), or writes over what others have still to read; in one order or the other it shows.
#include <ucontext.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "host_shim.h"

ShimIndex threadIdx, blockIdx, blockDim, gridDim;
alignas(16) unsigned char shim_dynamic_shared[48 * 1024];

// Bounds of the section, if the program has static shared memory.
extern unsigned char __start_shared_memory[] __attribute__((weak, visibility("hidden")));
extern unsigned char __stop_shared_memory[] __attribute__((weak, visibility("hidden")));

namespace {

const int kThreads = 1024;
const size_t kStack = 64 * 1024;
const int kAnotherLine = -1, kTooMuchShared = -2;

struct Fibre {
    ucontext_t context;
    int line;  // of the barrier it waits at; 0 when done
};

Fibre* fibres = nullptr;
char* stacks = nullptr;
ucontext_t scheduler;
int current;
void (*body)(void*);
void* argument;

void fibre_main() {
    body(argument);
    fibres[current].line = 0;
}

void start(int thread) {
    ucontext_t& context = fibres[thread].context;
    getcontext(&context);
    context.uc_stack.ss_sp = stacks + thread * kStack;
    context.uc_stack.ss_size = kStack;
    context.uc_link = &scheduler;
    makecontext(&context, fibre_main, 0);
    fibres[thread].line = -1;
}

int block_in_turns(int threads, bool reversed) {
    for (int t = 0; t < threads; ++t) start(t);
    for (bool running = true; running;) {
        running = false;
        int line = 0;
        for (int i = 0; i < threads; ++i) {
            int t = reversed ? threads - 1 - i : i;
            if (!fibres[t].line) continue;
            current = t;
            threadIdx.x = t;
            swapcontext(&scheduler, &fibres[t].context);
            if (!fibres[t].line) continue;
            if (line && fibres[t].line != line) return kAnotherLine;
            line = fibres[t].line;
            running = true;
        }
    }
    return 0;
}

}  // namespace

void shim_wait(int line) {
    fibres[current].line = line;
    int thread = current;
    swapcontext(&fibres[thread].context, &scheduler);
}

int shim_run(void (*thread)(void*), void* call, int grid, int block, int shared, int with_fibres, int reversed) {
    size_t fixed = __start_shared_memory ? __stop_shared_memory - __start_shared_memory : 0;
    if (fixed + shared > sizeof shim_dynamic_shared) return kTooMuchShared;
    if (!fibres) {
        fibres = new Fibre[kThreads];
        stacks = (char*)malloc(kThreads * kStack);
    }
    body = thread;
    argument = call;
    gridDim = {(unsigned)grid, 1, 1};
    blockDim = {(unsigned)block, 1, 1};
    for (int b = 0; b < grid; ++b) {
        blockIdx = {(unsigned)(reversed ? grid - 1 - b : b), 0, 0};
        memset(shim_dynamic_shared, 0xff, sizeof shim_dynamic_shared);
        if (fixed) memset(__start_shared_memory, 0xff, fixed);
        if (!with_fibres) {
            for (int t = 0; t < block; ++t) {
                threadIdx = {(unsigned)(reversed ? block - 1 - t : t), 0, 0};
                body(argument);
            }
            continue;
        }
        threadIdx = {0, 0, 0};
        if (int error = block_in_turns(block, reversed)) return error;
    }
    return 0;
}
