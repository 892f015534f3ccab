"""What counts as better, and what may not be kept."""

import math
from types import SimpleNamespace

import pytest
from lightning.pytorch.trainer.states import TrainerFn

from hybrid_sbir.callbacks import Checkpoints


@pytest.mark.parametrize(
    ("mode", "best", "score", "better"),
    [
        ("max", None, 0.1, True),
        ("max", 0.5, 0.6, True),
        ("max", 0.5, 0.5, False),
        ("min", 0.5, 0.4, True),
        ("min", 0.5, 0.6, False),
        ("max", math.nan, 0.0, True),
        ("max", 0.5, math.nan, False),
    ],
)
def test_better(mode, best, score, better):
    checkpoints = Checkpoints(mode=mode)
    checkpoints.load_state_dict({"best_score": best})
    assert checkpoints._improves(score) == better


def test_refuses_a_negative_distance():
    with pytest.raises(ValueError, match="every_n_steps is -3; give 0"):
        Checkpoints(every_n_steps=-3)


@pytest.mark.parametrize(
    ("monitor", "verb", "refused"),
    [
        ("val/map", TrainerFn.FITTING, False),
        ("val_unseen/map", TrainerFn.FITTING, True),
        ("val_unseen/map", TrainerFn.VALIDATING, False),
        ("train/loss", TrainerFn.FITTING, False),
    ],
)
def test_a_score_to_select_by_must_exist(monitor, verb, refused):
    trainer = SimpleNamespace(state=SimpleNamespace(fn=verb), callback_metrics={"val/map": 0.5, "val/mrr": 0.5})
    checkpoints = Checkpoints(monitor=monitor)
    if refused:
        with pytest.raises(ValueError, match="is val_unseen/map, but the validation gives val/map, val/mrr; choose"):
            checkpoints.on_validation_end(trainer, None)
    else:
        checkpoints.on_validation_end(trainer, None)
