"""Initial weights of two branches: every tensor is accounted for, and what does not fit changes nothing."""

import pytest
import torch

from hybrid_sbir.models import CheckpointError, Classifier, create_backbone
from hybrid_sbir.models.branch_weights import load_branches, load_stage
from tests.models.two_branch_cases import BACKBONES, NORMS, build, moved, snapshot, stir

SHARES = [("hybrid", 0), ("hybrid", 2), ("pure", 4), ("attentional", 1)]


def classifier(backbone="hybrid", seed=0, classes=3, width=0.5):
    """The state of a stage-1 classifier of its own weights and statistics."""
    torch.manual_seed(seed)
    model = Classifier(create_backbone(BACKBONES[backbone], width=width, stem="tiny"), classes)
    return stir(model, seed).state_dict()


@pytest.fixture(scope="module")
def sources():
    return {
        name: {"sketch": classifier(name, 1, classes=3), "photo": classifier(name, 2, classes=4)} for name in BACKBONES
    }


def is_private(model, name):
    """Whether a branch's tensor (without the branch's name) is not shared, written down anew."""
    parts = name.split(".")
    if parts[0] == "stages":
        return int(parts[1]) < model.first_shared
    return parts[0] == "stem" or model.shared_stages == 0


class TestFromClassifiers:
    @pytest.mark.parametrize("shared_from", ["photo", "sketch", "none"])
    @pytest.mark.parametrize("norm", NORMS)
    @pytest.mark.parametrize(("name", "share"), SHARES)
    def test_every_tensor_is_whose_it_should_be(self, name, share, norm, shared_from, sources):
        model = build(name, shared_stages=share, shared_norm=norm)
        before = snapshot(model)
        account = load_branches(model, **sources[name], shared_from=shared_from)
        for key, value in model.state_dict().items():
            domain, _, rest = key.partition(".")
            private = domain in ("sketch", "photo") and is_private(model, rest)
            origin = domain if private else shared_from if domain in ("sketch", "photo") else "none"
            expected = before[key] if origin == "none" else sources[name][origin][f"backbone.{rest}"]
            assert torch.equal(value, expected), key
            assert (key in account.afresh) == (origin == "none"), key
        assert sorted([*account.loaded, *account.afresh]) == sorted(model.state_dict())

    @pytest.mark.parametrize("shared_from", ["photo", "sketch", "none"])
    def test_what_is_skipped_of_the_files(self, shared_from, sources):
        model = build("hybrid")
        account = load_branches(model, **sources["hybrid"], shared_from=shared_from)
        expected = {
            f"{domain}: {name}"
            for domain, state in sources["hybrid"].items()
            for name in state
            if name.startswith("head.")
            or (domain != shared_from and not is_private(model, name.removeprefix("backbone.")))
        }
        assert set(account.skipped) == expected
        assert str(account).startswith(f"loaded {len(account.loaded)} tensors; starting afresh: ")
        assert "skipped 2 of sketch: head" in str(account) or "sketch: head" in str(account)

    def test_one_classifier_for_both(self, sources):
        model, state = build("hybrid"), sources["hybrid"]["photo"]
        account = load_branches(model, state, state)
        own = model.state_dict()
        for name in model.sketch.state_dict():
            assert torch.equal(own[f"sketch.{name}"], state[f"backbone.{name}"])
            assert torch.equal(own[f"photo.{name}"], state[f"backbone.{name}"])
        assert {name.partition(".")[0] for name in account.afresh} == {"sketch_head", "photo_head"}

    @pytest.mark.parametrize("domain", ["sketch", "photo"])
    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (
                lambda state: state.pop("backbone.stages.1.blocks.0.conv1.weight"),
                r"missing stages\.1\.blocks\.0\.conv1",
            ),
            (lambda state: state.update({"backbone.stages.9.scale": torch.ones(1)}), r"left over stages\.9\.scale"),
            (lambda state: state.update({"backbone.stem.conv.weight": torch.ones(2)}), r"stem\.conv\.weight is \(2,\)"),
            (lambda state: state["backbone.stem.conv.weight"].fill_(float("nan")), "NaN or infinity in stem"),
            (lambda state: state.clear(), r"no name begins with 'backbone\.'"),
        ],
    )
    def test_what_does_not_fit_is_refused_and_changes_nothing(self, domain, change, words, sources):
        model, states = build("hybrid"), {name: dict(state) for name, state in sources["hybrid"].items()}
        states[domain] = {name: value.clone() for name, value in states[domain].items()}
        change(states[domain])
        before = snapshot(model)
        with pytest.raises(CheckpointError, match=words) as error:
            load_branches(model, **states)
        plural = {"sketch": "sketches", "photo": "photos"}[domain]
        assert f"of {plural} " in str(error.value) or f"the {domain} branch" in str(error.value)
        assert not moved(model, before)

    @pytest.mark.parametrize("other", [{"backbone": "pure"}, {"width": 2}])
    def test_another_backbone_is_refused(self, other, sources):
        model = build("hybrid")
        before = snapshot(model)
        with pytest.raises(CheckpointError, match="the classifier of photos has another backbone: "):
            load_branches(model, sources["hybrid"]["sketch"], classifier(**other))
        assert not moved(model, before)

    def test_another_word_for_the_origin(self, sources):
        with pytest.raises(ValueError, match="shared_from is 'both'; it can be sketch, photo, none"):
            load_branches(build("hybrid"), **sources["hybrid"], shared_from="both")


class TestFromTheStageBefore:
    @pytest.mark.parametrize("norm", NORMS)
    @pytest.mark.parametrize("head", ["published", "neck"])
    def test_all_of_it(self, norm, head):
        source, model = (build(seed=seed, shared_norm=norm, head=head) for seed in (1, 2))
        stir(source)
        account = load_stage(model, source.state_dict())
        assert not moved(model, source.state_dict())
        assert set(account.loaded) == set(model.state_dict())
        assert (account.afresh, account.skipped) == ((), ())
        assert "none starts afresh" in str(account)

    @pytest.mark.parametrize("head", ["published", "neck"])
    @pytest.mark.parametrize("classes", [5, 9])
    def test_without_the_class_scores(self, head, classes):
        source, model = stir(build(seed=1, head=head)), build(seed=2, head=head, classes=classes)
        before = snapshot(model)
        account = load_stage(model, source.state_dict(), classifier=False)
        scores = {name for name in model.state_dict() if "_head.classifier." in name}
        assert set(account.afresh) == set(account.skipped) == scores
        assert sorted([*account.loaded, *account.afresh]) == sorted(model.state_dict())
        state = source.state_dict()
        for name, value in model.state_dict().items():
            assert torch.equal(value, before[name] if name in scores else state[name]), name

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"classes": 9}, r"sketch_head\.classifier\.weight is \(9, 16\) and must be \(5, 16\)"),
            ({"embedding_size": 8}, r"sketch_head\.fc\.weight is \(8, "),
            ({"head": "published"}, r"missing photo_head\.fc\.weight|left over .*photo_head\.embedding"),
            ({"backbone": "pure"}, "left over"),
        ],
    )
    def test_another_model_is_refused_and_changes_nothing(self, options, words):
        model = build()
        before = snapshot(model)
        with pytest.raises(CheckpointError, match=words):
            load_stage(model, build(seed=1, **options).state_dict())
        assert not moved(model, before)

    @pytest.mark.parametrize("less", [{"shared_stages": 0}, {"shared_norm": "domain"}])
    def test_a_model_that_shares_less_is_refused(self, less):
        """It has the same names, but two values for one tensor: one branch would be lost."""
        source = stir(build(seed=1, **{"shared_norm": "separate", **less}))
        model = build(seed=2, shared_norm="separate")
        before = snapshot(model)
        with pytest.raises(CheckpointError, match=r"values of their own for what they share here: .*photo"):
            load_stage(model, source.state_dict())
        assert not moved(model, before)

    def test_a_model_that_shares_more_gives_both_branches_the_same(self):
        source, model = stir(build(seed=1, shared_norm="separate")), build(seed=2, shared_norm="domain")
        load_stage(model, source.state_dict())
        assert not moved(model, source.state_dict())
