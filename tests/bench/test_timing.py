"""How times are summed up and taken; no time itself is tested."""

import pytest
import torch

from hybrid_sbir.bench.timing import Clock, Timing, copy_bandwidth, take_turns, wall_clock

CPU = torch.device("cpu")


def test_times_are_summed_up_by_their_median_and_quartiles():
    assert Timing.of([5.0, 1.0, 3.0, 2.0, 4.0]) == Timing(median=3.0, low=2.0, high=4.0, least=1.0, calls=5)
    assert Timing.of([7.0]) == Timing(7.0, 7.0, 7.0, 7.0, 1)
    assert Timing.of([1 / 3]).record() == {
        "median": 0.33333,
        "low": 0.33333,
        "high": 0.33333,
        "least": 0.33333,
        "calls": 1,
    }


def test_contenders_take_turns_in_alternating_order():
    order = []

    def contender(name):
        order.append(name)
        return [len(order), -len(order)]

    times = take_turns({name: lambda name=name: contender(name) for name in "abc"}, 3)
    assert "".join(order) == "abccbaabc"
    assert times == {"a": [[1, 6, 7], [-1, -6, -7]], "b": [[2, 5, 8], [-2, -5, -8]], "c": [[3, 4, 9], [-3, -4, -9]]}


def test_a_clock_returns_what_the_call_returned():
    milliseconds, result = Clock(CPU).milliseconds(lambda: "done")
    assert result == "done"
    assert milliseconds > 0
    assert wall_clock(lambda: None, CPU) > 0


@pytest.mark.slow
def test_a_copy_has_a_bandwidth():
    assert 1e8 < copy_bandwidth(Clock(CPU), rounds=1) < 1e13


@pytest.mark.gpu
def test_a_clock_on_a_gpu_times_the_call_and_not_its_enqueueing():
    clock = Clock(torch.device("cuda"))
    x = torch.zeros(1 << 28, device="cuda")
    for _ in range(3):
        milliseconds, _ = clock.milliseconds(lambda: x.add_(1), "add")
    nothing, _ = clock.milliseconds(lambda: None, "nothing")
    assert nothing < milliseconds < 100
