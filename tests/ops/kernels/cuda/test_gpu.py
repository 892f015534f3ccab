"""What only a GPU can show: PyTorch's streams and devices, captured graphs, and tensors beyond 32-bit offsets.

The other tests of this folder run on the GPU too, by their ``device`` fixture.
"""

import pytest
import torch

from hybrid_sbir.ops import Window, reference
from hybrid_sbir.ops.kernels.cuda import implementation as cuda
from hybrid_sbir.ops.kernels.cuda import launch
from tests.ops.kernels.cuda.agreement import aggregation_arguments, check_aggregation, draw
from tests.ops.kernels.cuda.variants import BFLOAT, SINGLE

pytestmark = pytest.mark.gpu

WINDOW = Window(3)


@pytest.fixture(autouse=True)
def _works():
    works, reason = launch.available()
    if not works:
        pytest.skip(reason)


def arguments(device="cuda"):
    return [t.to(device) for t in aggregation_arguments(WINDOW, (9, 13), 8, 1, dtypes=(SINGLE,))]


def test_kernels_wait_for_what_pytorchs_stream_does_first():
    """On the default stream the kernel would read x before the copy that a long product delays."""
    x, weight, _ = arguments()
    wanted, stale = cuda.aggregation(x, weight, WINDOW), torch.zeros_like(x)
    busy = torch.randn(4096, 4096, device="cuda")
    torch.cuda.synchronize()
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(20):
            busy = (busy @ busy).clamp(-1, 1)
        stale.copy_(x)
        found = cuda.aggregation(stale, weight, WINDOW)
        after = found.clone()
        assert torch.cuda.current_stream() == stream
    stream.synchronize()
    torch.testing.assert_close(after, wanted, rtol=0, atol=0)


def test_a_second_device():
    if torch.cuda.device_count() < 2:
        pytest.skip("one GPU on this machine")
    here = torch.cuda.current_device()
    window = WINDOW
    check_aggregation("cuda:1", *aggregation_arguments(window, (9, 13), 8, 1, dtypes=(SINGLE,)), window)
    assert torch.cuda.current_device() == here
    check_aggregation("cuda:0", *aggregation_arguments(window, (9, 13), 8, 1, dtypes=(SINGLE,)), window)


def test_a_captured_graph_repeats_the_kernels():
    x, weight, grad = arguments()
    cuda.aggregation_backward(grad, x, weight, WINDOW, (True, True))  # compiled and loaded before the capture
    cuda.aggregation(x, weight, WINDOW)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = cuda.aggregation(x, weight, WINDOW)
        gradients = cuda.aggregation_backward(grad, x, weight, WINDOW, (True, True))
    x.copy_(torch.randn_like(x))
    graph.replay()
    wanted = [cuda.aggregation(x, weight, WINDOW), *cuda.aggregation_backward(grad, x, weight, WINDOW, (True, True))]
    for a, b in zip((y, *gradients), wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_results_beyond_32_bit_offsets():
    """49 neighbours of 46 maps of 1024 x 1024 are 2.4e9 numbers; the last map and its gradients are right."""
    if torch.cuda.mem_get_info()[0] < 16 * 2**30:
        pytest.skip("less than 16 GiB of free GPU memory")
    window = Window(7)
    phi, psi = (t.cuda() for t in draw((1, 46, 1024, 1024), (1, 46, 1024, 1024), dtypes=(BFLOAT,)))
    difference = cuda.subtraction(phi, psi, window)
    assert difference.numel() > 2**31
    last = reference.subtraction(phi[:, -1:].float(), psi[:, -1:].float(), window)
    torch.testing.assert_close(difference[:, -1:], last.to(BFLOAT), rtol=0, atol=0)
    grad_phi, grad_psi = cuda.subtraction_backward(difference, 1024, 1024, window, (True, True))
    alone = cuda.subtraction_backward(difference[:, -1:], 1024, 1024, window, (True, True))
    for a, b in zip((grad_phi, grad_psi), alone, strict=True):
        torch.testing.assert_close(a[:, -1:], b, rtol=0, atol=0)
