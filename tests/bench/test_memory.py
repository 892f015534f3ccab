"""Peak memory is what was really taken, by PyTorch or past it; what was there before does not count."""

import ctypes
import os
import signal

import pytest
import torch

from hybrid_sbir.bench.child import ChildKilledError, in_a_child
from hybrid_sbir.bench.memory import PeakMemory, large_blocks_apart, peak_of

CPU = torch.device("cpu")
NOISE = 2.0  # MiB
MIB = 1 << 20


def by_pytorch():
    """48 MiB at the peak, of which 16 are freed before the end."""
    kept = torch.ones(32 * MIB // 4)
    torch.ones(16 * MIB // 4)
    return kept


def past_pytorch():
    """24 MiB that PyTorch knows nothing of."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    block = libc.malloc(24 * MIB)
    ctypes.memset(block, 1, 24 * MIB)
    libc.free(block)


def one_after_the_other(calls):
    """The first is done twice, so that code is loaded when it is measured."""
    large_blocks_apart()
    calls[0]()
    return [peak_of(call, CPU) for call in calls]


def restarted():
    """What has gone before a restart is no peak any more; what is still there counts."""
    large_blocks_apart()
    by_pytorch()  # loads the code
    peak = PeakMemory(CPU)
    kept = by_pytorch()
    peak.restart()
    torch.ones(4 * MIB // 4)
    mib = peak.mib()
    del kept
    return mib


def call(function):
    return function()


def die(number):
    os.kill(os.getpid(), number)


def test_the_peak_is_what_was_taken_whoever_took_it():
    peaks = in_a_child(one_after_the_other, (by_pytorch, past_pytorch, by_pytorch))
    assert peaks == pytest.approx([48, 24, 48], abs=NOISE)


def test_a_restart_keeps_the_level_and_forgets_the_peak():
    assert in_a_child(call, restarted) == pytest.approx(32 + 4, abs=NOISE)


def test_a_killed_process_is_told_in_words():
    with pytest.raises(
        ChildKilledError, match=f"the process that measured {signal.SIGKILL.value} was killed; there may"
    ):
        in_a_child(die, signal.SIGKILL.value)


def test_an_error_in_the_process_comes_back():
    with pytest.raises(TypeError, match="not callable"):
        in_a_child(call, 3)


@pytest.mark.gpu
def test_the_peak_on_a_gpu_is_what_was_allocated():
    device = torch.device("cuda")

    def run():
        kept = torch.ones(32 * MIB // 4, device=device)
        torch.ones(16 * MIB // 4, device=device)
        return kept

    assert peak_of(run, device) == pytest.approx(48, abs=0.1)
