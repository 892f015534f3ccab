"""What all kernels share: storage types bit by bit, and the border's index map with its pre-images."""

import pytest
import torch

from hybrid_sbir.ops.kernels.cuda import launch
from tests.ops.kernels.cuda.probes import probe
from tests.ops.kernels.cuda.variants import BFLOAT, DOUBLE, HALF

CONVERT = """
extern "C" __global__ void widen(const from_t* x, float* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = load(x + i) == load_once(x + i) || load(x + i) != load(x + i) ? load(x + i) : 1234;
}
extern "C" __global__ void narrow(const float* x, from_t* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) store(y + i, x[i]);
}
"""

IMAGES = """
extern "C" __global__ void images(double* sources, double* found, int size, int border, int padded_size) {
    for (int i = threadIdx.x; i < padded_size; i += blockDim.x) sources[i] = source(i, border, size);
    for (int i = threadIdx.x; i < 3 * size; i += blockDim.x)
        found[i] = i % 3 < PREIMAGES ? preimage(i % 3, i / 3, border, size) : -1;
}
extern "C" __global__ void outputs(double* found, int size, int k, int stride, int dilation, int border, int out_size) {
    for (int i = threadIdx.x; i < size; i += blockDim.x) {
        found[2 * i] = output_at(i, k, stride, dilation, out_size);
        found[2 * i + 1] = centred_at(i, border, stride, dilation, out_size);
    }
}
"""


def convert(dtype, kernel, x, device):
    x = x.to(device)
    y = torch.empty(x.shape, dtype=torch.float32 if kernel == "widen" else dtype, device=device)
    blocks = -(-x.numel() // 256)
    launch.launch(probe(CONVERT, types=(("from_t", dtype),)), kernel, blocks, 256, [x, y, x.numel()])
    return y.cpu()


def bits(dtype):
    """Every number of a 16-bit type."""
    return torch.arange(2**16, dtype=torch.int32).to(torch.int16).view(dtype)


@pytest.mark.parametrize("dtype", [HALF, BFLOAT])
def test_every_16_bit_number_is_read_exactly(device, dtype):
    found, wanted = convert(dtype, "widen", bits(dtype), device), bits(dtype).float()
    kept = wanted.abs() >= torch.finfo(torch.float32).tiny  # CuPy's modules take float32's subnormal numbers for zero
    torch.testing.assert_close(found[kept], wanted[kept], rtol=0, atol=0)
    torch.testing.assert_close(found, wanted, rtol=0, atol=2**-126, equal_nan=True)


@pytest.mark.parametrize("dtype", [HALF, BFLOAT])
def test_numbers_are_rounded_to_the_nearest_even(device, dtype):
    """All 16-bit numbers, the ties between them, and what lies just beside a tie, as PyTorch rounds them."""
    numbers = bits(dtype).float()
    numbers = numbers[numbers.isfinite() & (numbers.abs() >= 2**-120)].sort().values
    ties = (numbers[1:].double() + numbers[:-1].double()).div(2).float()
    near = [torch.nextafter(ties, torch.full_like(ties, way)) for way in (-torch.inf, torch.inf)]
    largest = torch.tensor([65519.99, 65520.0, -65520.0, 3.4e38, -3.4e38, torch.inf, -torch.inf, 0.0, -0.0])
    x = torch.cat([numbers, ties, *near, largest, torch.tensor([2**-24, 2**-25, 2**-26, -(2**-25) * 1.5])])
    found, wanted = convert(dtype, "narrow", x, device), x.to(dtype)
    torch.testing.assert_close(found.view(torch.int16), wanted.view(torch.int16), rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [HALF, BFLOAT])
def test_nan_stays_nan(device, dtype):
    """Also one whose upper bits are all ones, which the rounding's addition would carry over to zero."""
    patterns = torch.tensor([0x7FC00000, 0x7F800001, 0x7FFFFFFF, -1, -0x7FFFFF], dtype=torch.int32)
    found = convert(dtype, "narrow", patterns.view(torch.float32), device)
    assert bool(found.isnan().all())


@pytest.mark.parametrize("reflect", [True, False])
def test_preimages_are_the_inverse_of_the_index_map(host_launcher, reflect):
    for size in range(1, 9):
        for border in range(size if reflect else 5):
            padded = size + 2 * border
            sources, found = torch.empty(padded, dtype=DOUBLE), torch.empty(size, 3, dtype=DOUBLE)
            program = probe(IMAGES, 3, reflect, (("from_t", DOUBLE),))
            launch.launch(program, "images", 1, 32, [sources, found, size, border, padded])
            inside = torch.arange(-border, size + border)
            if reflect:
                wanted = torch.where(inside < 0, -inside, inside)
                wanted = torch.where(wanted >= size, 2 * (size - 1) - wanted, wanted)
            else:
                wanted = torch.where((inside >= 0) & (inside < size), inside, -1)
            assert sources.tolist() == wanted.tolist()
            for position in range(size):
                images = [int(i) for i in found[position] if i >= 0]
                assert sorted(images) == [i for i, at in enumerate(wanted.tolist()) if at == position]
            assert border or bool((found[:, 1:] == -1).all())
            assert size <= 2 * border + 1 or bool((found[:, 2] == -1).all())


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
def test_outputs_are_found_from_the_neighbour(host_launcher, stride, dilation):
    program = probe(IMAGES, 3, True, (("from_t", DOUBLE),))
    for size in range(2 * dilation + 1, 12):
        out_size = (size - 2 * dilation - 1) // stride + 1
        for k in range(3):
            found = torch.empty(size, 2, dtype=DOUBLE)
            launch.launch(program, "outputs", 1, 32, [found, size, k, stride, dilation, 0, out_size])
            reached = {o * stride + k * dilation: o for o in range(out_size)}
            centred = {o * stride + dilation: o for o in range(out_size)}
            assert found[:, 0].tolist() == [reached.get(i, -1) for i in range(size)]
            assert found[:, 1].tolist() == [centred.get(i, -1) for i in range(size)]
