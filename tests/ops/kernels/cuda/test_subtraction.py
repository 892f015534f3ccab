"""Subtraction against the definition: any window, type and layout, output and gradients."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings

from hybrid_sbir.ops import Window
from hybrid_sbir.ops.kernels.cuda import implementation as cuda
from tests.ops.arguments import GEOMETRIES, geometries
from tests.ops.kernels.cuda.agreement import check_subtraction, draw
from tests.ops.kernels.cuda.variants import BFLOAT, DOUBLE, HALF, SINGLE


def subtraction_arguments(window, size, batch=2, channels=3, dtypes=(DOUBLE,)):
    """phi, psi and a gradient of the result."""
    oh, ow = window.output_size(*size)
    maps, grad = (batch, channels, *size), (batch, channels, window.positions, oh * ow)
    return draw(maps, maps, grad, dtypes=(dtypes[0], dtypes[-1], dtypes[0]))


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=lambda g: "-".join(f"{k}={v}" for k, v in g.items()))
def test_agrees_with_the_definition(device, geometry):
    window = Window(**geometry)
    check_subtraction(device, *subtraction_arguments(window, (5, 8)), window)


@given(case=geometries())
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_agrees_with_the_definition_on_any_window(device, case):
    window = Window(**case[0])
    check_subtraction(device, *subtraction_arguments(window, case[1]), window)


@pytest.mark.parametrize(
    ("window", "size"),
    [
        (Window(7), (4, 5)),  # two images on both sides
        (Window(5, dilation=2), (5, 6)),
        (Window(3), (21, 30)),  # several blocks a plane, the last one partial
        (Window(3, dilation=40, padding_mode="zeros"), (50, 41)),
    ],
    ids=["smallest", "smallest-dilated", "blocks", "far"],
)
def test_agrees_on_maps_of_every_kind(device, window, size):
    check_subtraction(device, *subtraction_arguments(window, size, batch=1), window)


@pytest.mark.parametrize(
    "dtypes",
    [(SINGLE,), (HALF,), (BFLOAT,), (HALF, SINGLE), (SINGLE, HALF), (BFLOAT, DOUBLE)],
    ids=lambda pair: "-".join(str(d).removeprefix("torch.") for d in pair),
)
def test_any_types_within_derived_bounds(device, dtypes):
    check_subtraction(device, *subtraction_arguments(Window(3), (9, 13), dtypes=dtypes), Window(3))


def run(device, phi, psi, grad, window):
    """Result and gradients on the CPU."""
    phi, psi, grad = (t.to(device) for t in (phi, psi, grad))
    back = cuda.subtraction_backward(grad, phi.shape[2], phi.shape[3], window, (True, True))
    return [t.cpu() for t in (cuda.subtraction(phi, psi, window), *back)]


def same_bits(found, wanted):
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_layouts_change_no_bit(device):
    phi, psi, grad = subtraction_arguments(Window(3), (5, 6))
    dense = run(device, phi, psi, grad, Window(3))
    last = [t.to(memory_format=torch.channels_last) for t in (phi, psi, grad)]
    strided = [torch.stack([t, t + 1], -1)[..., 0] for t in (phi, psi, grad)]
    for other in (last, strided):
        found = run(device, *other, Window(3))
        same_bits(found, dense)
        assert all(t.is_contiguous() for t in found)


def test_one_map_may_be_both(device):
    phi, _, grad = subtraction_arguments(Window(3), (5, 6))
    found = run(device, phi, phi, grad, Window(3))
    same_bits(found, run(device, phi, phi.clone(), grad, Window(3)))
    assert bool((found[0][:, :, 4] == 0).all())  # the centre minus itself


def test_an_empty_batch(device):
    found = run(device, *subtraction_arguments(Window(3), (5, 6), batch=0), Window(3))
    assert [tuple(t.shape) for t in found] == [(0, 3, 9, 30), (0, 3, 5, 6), (0, 3, 5, 6)]


def test_same_bits_on_every_run_and_with_wide_offsets(device, wide_launcher):
    arguments = subtraction_arguments(Window(5), (9, 14), dtypes=(HALF,))
    first = run(device, *arguments, Window(5))
    same_bits(run(device, *arguments, Window(5)), first)
    with wide_launcher() as programs:
        same_bits(run(device, *arguments, Window(5)), first)
    assert programs
    assert all(program.wide for program in programs)


def test_no_bit_depends_on_the_order_of_threads(host_launcher):
    arguments = subtraction_arguments(Window(3), (21, 30), batch=1)
    first = run("cpu", *arguments, Window(3))
    host_launcher.reversed = True
    same_bits(run("cpu", *arguments, Window(3)), first)
