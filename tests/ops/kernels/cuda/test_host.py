"""The host launcher finds what it is there to find: faults put in on purpose."""

import pytest
import torch

from hybrid_sbir.ops.kernels.cuda import launch
from tests.ops.kernels.cuda.host import kernels
from tests.ops.kernels.cuda.probes import probe

REVERSE = """
#define THREADS 64
extern "C" __global__ void __launch_bounds__(THREADS) reverse(const float* x, float* y, int n) {
    %s
    shared[threadIdx.x] = x[threadIdx.x];
    %s
    y[threadIdx.x] = shared[blockDim.x - 1 - threadIdx.x];
}
"""
STATIC, DYNAMIC = "__shared__ float shared[64];", "DYNAMIC_SHARED(memory); float* shared = (float*)memory;"


def run(text, *arguments, block=64, shared_bytes=0, kernel=None):
    launch.launch(probe(text), kernel or kernels(text)[0], 1, block, arguments, shared_bytes)


@pytest.mark.parametrize("shared", [STATIC, DYNAMIC])
@pytest.mark.parametrize("reverse", [False, True])
def test_threads_meet_at_a_barrier(host_launcher, shared, reverse):
    host_launcher.reversed = reverse
    x, y = torch.arange(64.0), torch.empty(64)
    run(REVERSE % (shared, "__syncthreads();"), x, y, 64, shared_bytes=256)
    torch.testing.assert_close(y, x.flip(0))


@pytest.mark.parametrize("shared", [STATIC, DYNAMIC])
def test_a_missing_barrier_shows(host_launcher, shared):
    x, y = torch.arange(64.0), torch.empty(64)
    run(REVERSE % (shared, "// no __syncthreads"), x, y, 64, shared_bytes=256)
    assert bool(y.isnan().any())


def test_a_barrier_that_only_some_reach_is_found(host_launcher):
    two = "if (threadIdx.x < 3) __syncthreads();\n else {\n __syncthreads(); }"
    with pytest.raises(AssertionError, match="different __syncthreads"):
        run(REVERSE % (STATIC, two), torch.arange(64.0), torch.empty(64), 64)


ELEMENT = """
extern "C" __global__ void element(const float* x, float* y, int at) {
    if (threadIdx.x == 0) %s;
}
"""


@pytest.mark.parametrize("at", [-1, 8, 900])
def test_a_write_outside_a_tensor_is_found(host_launcher, at):
    with pytest.raises(AssertionError, match="argument 1: written outside"):
        run(ELEMENT % "y[at] = 0", torch.zeros(8), torch.empty(8), at)


@pytest.mark.parametrize("at", [-1, 8, 900])
def test_a_read_outside_a_tensor_is_nan(host_launcher, at):
    y = torch.empty(8)
    run(ELEMENT % "y[0] = x[at]", torch.zeros(8), y, at)
    assert bool(y.isnan().all())  # the element read, and those never written


def test_a_write_to_what_is_const_is_found(host_launcher):
    with pytest.raises(AssertionError, match="argument 0 is const"):
        run(ELEMENT % "((float*)x)[0] = 1", torch.zeros(8), torch.empty(8), 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((torch.zeros(8), torch.zeros(8)), "takes 3 arguments, not 2"),
        ((torch.zeros(8), torch.zeros(8).half(), 0), "argument 1 is 'f', not torch.float16"),
        ((torch.zeros(8), 0, 0), "argument 1 is a pointer"),
        ((torch.zeros(8), torch.zeros(8), 0.0), "argument 2 is an int, not 0.0"),
        ((torch.zeros(8), torch.zeros(8), 2**31), "argument 2 is 2147483648: not an int"),
        ((torch.zeros(8)[::2], torch.zeros(8), 0), "argument 0 has gaps"),
    ],
)
def test_arguments_are_held_against_the_kernels_signature(host_launcher, arguments, words):
    with pytest.raises(AssertionError, match=words):
        run(ELEMENT % "y[0] = 1", *arguments)


def test_a_result_may_not_overlap_an_operand(host_launcher):
    x = torch.zeros(12)
    with pytest.raises(AssertionError, match="argument 1 overlaps"):
        run(ELEMENT % "y[0] = 1", x[:8], x[4:], 0)


def test_limits_of_a_gpu_are_kept(host_launcher):
    text, arguments = REVERSE % (STATIC, "__syncthreads();"), (torch.arange(96.0), torch.empty(96), 96)
    with pytest.raises(AssertionError, match="a block of 96 threads"):
        run(text, *arguments, block=96)
    with pytest.raises(AssertionError, match="more than 48 KiB"):
        run(text, *arguments, shared_bytes=48 * 1024)


def test_fresh_tensors_are_nan(host_launcher):
    like = torch.zeros(2, 3, 4, 5).to(memory_format=torch.channels_last)
    for fresh in (torch.empty(3), like.new_empty(2), torch.empty_like(like), torch.empty(3, dtype=torch.float16)):
        assert bool(fresh.isnan().all())
