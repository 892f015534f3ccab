"""What differs between a checkpoint and the present run is named."""

import pytest

from hybrid_sbir.models import Classifier, StageSpec, create_backbone
from hybrid_sbir.tasks.restoring import KEY, check_restorable, check_same_data, describe


def model(*widths):
    return Classifier(create_backbone([StageSpec("resnet", w, 1) for w in widths], in_channels=1, stem="tiny"), 3)


@pytest.mark.parametrize(
    ("here", "words"),
    [
        ((32, 32, 64), r"stages\[1\]\.width is 64 there and 32 here"),
        ((32, 64), "stages has 3 entries there and 2 here"),
    ],
)
def test_the_first_differing_stage_is_named(here, words):
    with pytest.raises(ValueError, match=words):
        check_restorable({KEY: describe(model(32, 64, 64), "abc")}, model(*here), "abc")


def test_a_run_is_not_continued_with_other_data():
    checkpoint = {KEY: describe(model(32), "abc", "a" * 64)}
    with pytest.raises(ValueError, match=r"fingerprint aaaaaaaaaaaa, these have bbbbbbbbbbbb .*init_from FILE"):
        check_same_data(checkpoint, "b" * 64)
    check_same_data(checkpoint, "a" * 64)
    check_same_data(checkpoint, None)
    check_same_data({KEY: {"classes": [], "plan": {}}}, "b" * 64)
