"""The schedule ends with the run, and says so if it would not."""

import math

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, ReduceLROnPlateau, StepLR

from hybrid_sbir.tasks.optimisation import build_optimisation, check_schedule


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


class TestWarmUp:
    """A rise over a tenth of the steps, then a cosine to 0, step by step."""

    def build(self, steps, rate=0.1):
        parameters = [torch.nn.Parameter(torch.zeros(2))]
        optimizer = lambda p: torch.optim.SGD(p, lr=rate)  # noqa: E731 - as a configuration gives it
        return build_optimisation(parameters, optimizer, "warmup_cosine", 10, lambda: steps)

    def rates(self, steps):
        built, rates = self.build(steps), []
        assert built["lr_scheduler"]["interval"] == "step"
        for _ in range(steps + 1):
            rates.append(built["optimizer"].param_groups[0]["lr"])
            built["optimizer"].step()
            built["lr_scheduler"]["scheduler"].step()
        return rates

    @pytest.mark.parametrize("steps", [40, 95, 100])
    def test_rises_evenly_and_falls_to_zero(self, steps):
        rates, rise = self.rates(steps), round(0.1 * steps)
        assert rates[:rise] == pytest.approx([0.1 * (1 + step) / (rise + 1) for step in range(rise)])
        fall = steps - rise
        cosine = [0.05 * (1 + math.cos(math.pi * step / fall)) for step in range(fall + 1)]
        assert rates[rise:] == pytest.approx(cosine, abs=1e-9)
        assert max(rates) == pytest.approx(0.1)

    @pytest.mark.parametrize("steps", [1, 2, 3, 9])
    def test_runs_of_a_few_steps_begin_below_the_full_rate(self, steps):
        rates = self.rates(steps)
        assert 0 < rates[0] < 0.1
        assert max(rates) <= 0.1 + 1e-12

    def test_a_run_without_an_end_is_refused(self):
        with pytest.raises(ValueError, match="their number is not known; set max_epochs"):
            self.build(math.inf)
        with pytest.raises(ValueError, match=r"trainer\.max_epochs is -1; set it"):
            build("warmup_cosine", -1)

    @pytest.mark.parametrize("steps", [1, 2, 3, 40])
    def test_only_the_same_length_continues(self, steps):
        built = self.build(steps)
        checkpoint = {"lr_schedulers": [built["lr_scheduler"]["scheduler"].state_dict()]}
        check_schedule(checkpoint, 10, lambda: steps)
        with pytest.raises(ValueError, match=rf"cosine ends at step {max(steps, 2)}, this one has {steps + 2} steps"):
            check_schedule(checkpoint, 10, lambda: steps + 2)
