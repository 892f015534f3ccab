"""What counts as better, and what may not be kept."""

import math

import pytest

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
