"""The schedule ends with the run, and says so if it would not."""

import math

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, ReduceLROnPlateau, StepLR

from hybrid_sbir.tasks.optimisation import build_optimisation


def build(schedule, max_epochs=10):
    parameters = [torch.nn.Parameter(torch.zeros(2))]
    return build_optimisation(parameters, lambda p: torch.optim.SGD(p, lr=0.1), schedule, max_epochs)


def test_cosine_goes_to_zero_over_the_run():
    built = build("cosine")
    rates = []
    for _ in range(11):
        rates.append(built["optimizer"].param_groups[0]["lr"])
        built["optimizer"].step()
        built["lr_scheduler"].step()
    assert rates == pytest.approx([0.05 * (1 + math.cos(math.pi * epoch / 10)) for epoch in range(11)])


def test_constant_and_own_schedules():
    assert "lr_scheduler" not in build("constant", None)
    assert isinstance(build(lambda o: StepLR(o, 3))["lr_scheduler"], StepLR)
    plateau = build(lambda o: ReduceLROnPlateau(o))["lr_scheduler"]
    assert plateau["monitor"] == "val/loss"


def test_a_cosine_of_another_length_is_refused():
    assert build(lambda o: CosineAnnealingLR(o, T_max=10))["lr_scheduler"].T_max == 10
    with pytest.raises(ValueError, match=r"T_max 100, but trainer\.max_epochs is 10.*lr_scheduler: cosine"):
        build(lambda o: CosineAnnealingLR(o, T_max=100))


@pytest.mark.parametrize("max_epochs", [None, -1])
def test_a_cosine_needs_an_end(max_epochs):
    with pytest.raises(ValueError, match=r"trainer\.max_epochs is (None|-1); set it"):
        build("cosine", max_epochs)


def test_nothing_to_train():
    with pytest.raises(ValueError, match="no parameter is trainable"):
        build_optimisation([], lambda p: torch.optim.SGD(p, lr=0.1), "cosine", 10)
