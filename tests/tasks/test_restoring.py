"""What differs between a checkpoint and the present run is named."""

import json

import pytest

from hybrid_sbir.models import Classifier, StageSpec, TwoBranch, create_backbone
from hybrid_sbir.tasks.restoring import BRANCHES_KEY, KEY, check_restorable, check_same_data, describe


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


class TestTwoBranches:
    """The same under a key of its own, with what only pairs of branches have."""

    def model(self, **options):
        stages = [StageSpec("resnet", 32, 1), StageSpec("resnet", 32, 1)]
        return TwoBranch(stages, 3, **{"stem": "tiny", "shared_stages": 1, "embedding_size": 8} | options)

    def saved(self, **options):
        return {BRANCHES_KEY: describe(self.model(**options), "abc", "a" * 64)}

    def test_the_same_passes_as_a_file_gives_it_back(self):
        saved = json.loads(json.dumps(self.saved()))
        check_restorable(saved, self.model(), "abc", BRANCHES_KEY)
        check_same_data(saved, "a" * 64, BRANCHES_KEY)

    @pytest.mark.parametrize(
        ("here", "words"),
        [
            ({"shared_stages": 2}, "holds another pair of branches: shared_stages is 1 there and 2 here"),
            ({"shared_norm": "separate"}, 'pair of branches: shared_norm is "domain" there and "separate" here'),
            ({"head": "published", "hidden": 7}, 'head: kind is "neck" there and "published" here; hidden is 1024'),
            ({"in_channels": 1}, "another backbone: in_channels is 3 there and 1 here"),
        ],
    )
    def test_what_differs_is_named(self, here, words):
        with pytest.raises(ValueError, match=words):
            check_restorable(self.saved(), self.model(**here), "abc", BRANCHES_KEY)

    def test_other_data(self):
        with pytest.raises(ValueError, match="fingerprint aaaaaaaaaaaa, these have bbbbbbbbbbbb"):
            check_same_data(self.saved(), "b" * 64, BRANCHES_KEY)

    def test_a_model_of_the_other_kind(self):
        with pytest.raises(ValueError, match="holds a two_branch model, this task trains a classifier model"):
            check_restorable(self.saved(), model(32), "abc")
        classifier = {KEY: describe(model(32), "abc")}
        with pytest.raises(ValueError, match=r"holds a classifier model, .* a two_branch model.*init_sketch"):
            check_restorable(classifier, self.model(), "abc", BRANCHES_KEY)
