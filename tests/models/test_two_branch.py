"""Two branches: the published model's numbers, what is shared and stays so, and what is frozen and stays so."""

import json
from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from hybrid_sbir.models import TwoBranch
from hybrid_sbir.models.branch_weights import load_published_branches
from tests.models.two_branch_cases import NORMS, STAGES, build, images, moved, snapshot, stir

DOMAINS = ("sketch", "photo")
EVERY_SHARE = [(name, share) for name, stages in STAGES.items() for share in range(stages + 1)]
SOME_SHARES = [(name, share) for name, stages in STAGES.items() for share in (0, 2, stages)]


def twin(name):
    """The photo branch's name of a tensor of the sketch branch, and the other way round."""
    first, _, rest = name.partition(".")
    other = first.replace("sketch", "photo") if "sketch" in first else first.replace("photo", "sketch")
    return f"{other}.{rest}"


def norms_of(model):
    """Names of the tensors of batch norms."""
    layers = [name for name, module in model.named_modules(remove_duplicate=False) if isinstance(module, _BatchNorm)]
    return {name for name in model.state_dict() if name.rpartition(".")[0] in layers}


def tied(model):
    """Names of the sketch branch's tensors that are the photo branch's too."""
    state = model.state_dict()
    addresses = {name: (value.data_ptr(), value.shape) for name, value in state.items() if value.numel()}
    return {name for name in addresses if name.startswith("sketch") and addresses[name] == addresses[twin(name)]}


def expected_ties(model):
    first, names = model.first_shared, [name for name in model.state_dict() if name.startswith("sketch")]
    shared = set()
    for name in names:
        part, *rest = name.split(".")
        deep = rest[0] == "stages" and int(rest[1]) >= first
        if part == "sketch_head" or deep or (rest[0] == "closing" and model.shared_stages):
            shared.add(name)
    return shared - norms_of(model) if model.shared_norm == "domain" else shared


def scalar(embedded):
    """A number that depends on every entry of both domains' embeddings and logits, each in its own way."""
    generator = torch.Generator().manual_seed(1)
    parts = [part for each in embedded for part in each]
    return sum((part * torch.randn(part.shape, generator=generator)).mean() for part in parts)


class TestThePublishedModel:
    @pytest.fixture(scope="class")
    def published(self, shared):
        with np.load(shared / "parity/bimodal_hib_patch_2_2_nl.npz") as file:
            return {name: torch.from_numpy(file[name]) for name in file.files}

    @pytest.fixture
    def model(self):
        return TwoBranch(
            "hib_patch_2_2_nl", 7, shared_stages=2, shared_norm="separate", head="published", embedding_size=1024,
            activation="pre", widths=[32, 64, 128, 256], stem_width=64,
        )  # fmt: skip

    def test_embeddings_and_logits(self, published, model):
        state = {name.removeprefix("w/"): value for name, value in published.items() if name.startswith("w/")}
        account = load_published_branches(model, state)
        assert (account.afresh, account.skipped) == ((), ())
        assert set(account.loaded) == set(model.state_dict())
        model.eval()
        with torch.no_grad():
            sketch, photo = model(published["sketch"], published["photo"])
        got = {"fs": sketch.embedding, "fp": photo.embedding, "ls": sketch.logits, "lp": photo.logits}
        for name, value in got.items():
            want = published[name]
            assert (value - want).abs().max() / want.abs().max() < 1e-4, name

    @pytest.mark.parametrize("change", ["missing", "left over", "shape"])
    def test_a_tensor_more_or_less_changes_nothing(self, published, model, change):
        state = {name.removeprefix("w/"): value for name, value in published.items() if name.startswith("w/")}
        before = snapshot(model)
        if change == "missing":
            del state["shareFc.weight"]
        elif change == "left over":
            state["shareFc.scale"] = torch.zeros(1)
        else:
            state["classifier.bias"] = torch.zeros(8)
        words = {"missing": "missing 1 of shareFc", "left over": "left over 1 of shareFc", "shape": r"is \(8,\)"}
        with pytest.raises(ValueError, match=words[change]):
            load_published_branches(model, state)
        assert not moved(model, before)

    @pytest.mark.parametrize("options", [{"head": "neck"}, {"shared_norm": "domain", "head": "published"}])
    def test_another_kind_of_model_is_refused(self, published, options):
        model = build(**options)
        with pytest.raises(ValueError, match="head='published' and shared_norm='separate'"):
            load_published_branches(model, {})


class TestSharing:
    @pytest.mark.parametrize("norm", NORMS)
    @pytest.mark.parametrize(("name", "share"), EVERY_SHARE)
    def test_the_last_stages_are_one_and_no_other(self, name, share, norm):
        model = build(name, shared_stages=share, shared_norm=norm, head="published")
        assert tied(model) == expected_ties(model)
        own = sum(value.numel() for value in {id(p): p for p in model.parameters()}.values())
        each = sum(p.numel() for branch in (model.sketch, model.photo) for p in branch.parameters())
        ties = tied(model)
        shared = sum(p.numel() for name, p in model.sketch.named_parameters() if f"sketch.{name}" in ties)
        heads = sum(p.numel() for p in nn.ModuleList([model.sketch_head, model.photo_head]).parameters())
        assert own == each - shared + heads

    @pytest.mark.parametrize("norm", NORMS)
    @pytest.mark.parametrize(("name", "share"), SOME_SHARES)
    def test_every_parameter_gets_a_gradient(self, name, share, norm):
        model = stir(build(name, shared_stages=share, shared_norm=norm))
        scalar(model(*images())).backward()
        assert not [name for name, p in model.named_parameters() if p.grad is None]
        # A bias before a batch norm, or in a difference of two, changes nothing.
        assert not [n for n, p in model.named_parameters() if not n.endswith(".bias") and not p.grad.any()]

    @pytest.mark.parametrize("norm", NORMS)
    @pytest.mark.parametrize(("name", "share"), SOME_SHARES)
    def test_copies_files_and_plans_keep_the_ties(self, name, share, norm):
        model = stir(build(name, shared_stages=share, shared_norm=norm))
        plan = json.loads(json.dumps(model.plan()))
        again = TwoBranch.of(plan)
        again.load_state_dict(model.state_dict())
        for other in (again, deepcopy(model)):
            assert tied(other) == expected_ties(model)
            assert not moved(other, snapshot(model))
            assert not {p.data_ptr() for p in other.parameters()} & {p.data_ptr() for p in model.parameters()}
            assert [n for n, _ in other.named_parameters()] == [n for n, _ in model.named_parameters()]
        assert json.loads(json.dumps(again.plan())) == json.loads(json.dumps(model.plan()))

    @pytest.mark.parametrize("norm", NORMS)
    def test_synchronised_batch_norms_keep_the_ties(self, norm):
        model = stir(build(shared_norm=norm))
        before, layers = snapshot(model), len(norms_of(model))
        converted = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        assert tied(converted) == expected_ties(converted)
        assert not moved(converted, before)
        assert len(norms_of(converted)) == layers
        assert not [m for m in converted.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]

    def test_a_step_on_one_branch_changes_the_shared_part_of_the_other(self):
        model = stir(build(shared_norm="separate")).eval()
        sketch, photo = images()
        with torch.no_grad():
            before = model.embed(photo, "photo").embedding
        model.embed(sketch, "sketch").embedding.square().sum().backward()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.grad is not None:
                    parameter -= 1e-3 * parameter.grad
            after = model.embed(photo, "photo").embedding
        assert not torch.equal(before, after)
        private = [p for part in (model.photo.stem, model.photo.stages[:2]) for p in part.parameters()]
        assert private
        assert all(p.grad is None for p in private)


class TestNorms:
    @pytest.mark.parametrize("share", [0, 2, 4])
    @pytest.mark.parametrize("head", ["published", "neck"])
    def test_in_evaluation_joint_and_separate_are_the_same(self, share, head):
        separate = stir(build(shared_norm="separate", shared_stages=share, head=head)).eval()
        joint = build(shared_norm="joint", shared_stages=share, head=head, seed=3).eval()
        joint.load_state_dict(separate.state_dict())
        sketch, photo = images()
        with torch.no_grad():
            whole = [part for model in (separate, joint) for each in model(sketch, photo[:3]) for part in each]
            alone = [*joint.embed(sketch, "sketch"), *joint.embed(photo[:3], "photo")]
        for one, other, single in zip(whole[:4], whole[4:], alone, strict=True):
            assert len(one) == len(other)
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(one, single, rtol=1e-4, atol=1e-5)

    def test_in_training_joint_normalises_both_domains_together(self):
        """A difference in brightness between the domains lasts only where they are normalised together."""
        sketch, photo = images(8)
        found = {}
        for norm in NORMS:
            model = build(shared_norm=norm, head="neck")
            with torch.no_grad():
                sketches, photos = model(sketch, photo)
            means = [each.embedding.mean(0) for each in (sketches, photos)]
            found[norm] = (means[0] - means[1]).abs().max().item()
            middle = torch.cat([sketches.embedding, photos.embedding]).mean(0)
            assert middle.abs().max() < 1e-5
        assert found["joint"] > 0.1
        assert max(found["separate"], found["domain"]) < 1e-5

    def test_a_pass_updates_shared_statistics_as_often_as_domains_are_normalised(self):
        counts, models = {}, {}
        for norm in NORMS:
            model = models[norm] = build(shared_norm=norm, shared_stages=4)
            with torch.no_grad():
                model(*images(8))
            counts[norm] = {int(value) for name, value in model.state_dict().items() if name.endswith("tracked")}
        assert counts == {"separate": {2}, "joint": {1}, "domain": {1}}
        own = models["domain"]
        state, means = own.state_dict(), [name for name in norms_of(own) if name.endswith("running_mean")]
        assert means
        assert not [name for name in means if torch.equal(state[name], state[twin(name)])]

    def test_domain_norms_go_their_own_ways_and_nothing_else_does(self):
        model = build(shared_norm="domain")
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        for step in range(2):
            optimizer.zero_grad()
            sketches, photos = model(*images(seed=step))
            (sketches.logits.square().mean() + 2 * photos.logits.square().mean() + photos.logits.mean()).backward()
            optimizer.step()
        state, shared = model.state_dict(), tied(model)
        assert shared == expected_ties(model)
        apart = [n for n in norms_of(model) if n.startswith(("sketch.stages.2", "sketch.stages.3", "sketch.closing"))]
        apart = [n for n in apart if not n.endswith("tracked")]
        assert apart
        assert not [n for n in apart if torch.equal(state[n], state[twin(n)])]


class TestFreezing:
    def step(self, model, count=2):
        optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.05)
        model.train()
        for step in range(count):
            model.eval()
            model.train()  # what a validation between two steps does
            optimizer.zero_grad()
            scalar(model(*images(seed=step))).backward()
            optimizer.step()

    def private(self, model):
        return {n for n in model.state_dict() if n.partition(".")[0] in DOMAINS} - {
            name for kept in expected_ties(model) | self.shared_norms(model) for name in (kept, twin(kept))
        }

    def shared_norms(self, model):
        """Norms of the shared stages, which are each domain's own but no private part."""
        starts = tuple(f"sketch.stages.{i}." for i in range(model.first_shared, len(model.sketch.stages)))
        starts += ("sketch.closing.",) if model.shared_stages else ()
        return {n for n in model.state_dict() if starts and n.startswith(starts)}

    @pytest.mark.parametrize("norm", NORMS)
    @pytest.mark.parametrize(("name", "share"), SOME_SHARES)
    def test_nothing_frozen_moves_and_everything_else_does(self, name, share, norm):
        model = stir(build(name, shared_stages=share, shared_norm=norm))
        model.freeze_private()
        private, before = self.private(model), snapshot(model)
        assert any(name.endswith("running_mean") for name in private) or share == STAGES[name]
        self.step(model)
        changed = {name for name in moved(model, before) if name in private or not name.endswith(".bias")}
        assert changed == {name for name in before if name not in private and not name.endswith(".bias")}

    def test_statistics_of_what_is_frozen_move_where_that_is_asked(self):
        model = stir(build(shared_norm="separate"))
        model.freeze_private(norms_move=True)
        private, before = self.private(model), snapshot(model)
        self.step(model)
        statistics = private - {name for name, _ in model.named_parameters(remove_duplicate=False)}
        assert statistics
        assert moved(model, before) & private == statistics

    def test_a_frozen_part_gives_a_picture_the_same_map_in_every_batch(self):
        model = stir(build())
        model.freeze_private()
        model.train()
        seen = []
        model.sketch.stages[1].register_forward_hook(lambda module, given, made: seen.append(made.detach()))
        sketch, photo = images(6)
        for rows in (slice(0, 3), slice(0, 6)):
            model(sketch[rows], photo[rows])
        torch.testing.assert_close(seen[0], seen[1][:3])


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"shared_stages": 5}, r"shared_stages is 5; this backbone has 4 stages: give 0 to 4"),
            ({"shared_stages": -1}, r"shared_stages is -1"),
            ({"shared_norm": "both"}, "shared_norm is 'both'; it can be separate, joint, domain"),
            ({"head": "long"}, "head is 'long'; it can be published, neck"),
            ({"embedding_size": 0}, "embedding_size is 0; give 1 or more"),
            ({"hidden": 0, "head": "published"}, "hidden is 0; give 1 or more"),
        ],
    )
    def test_options_that_fit_no_model(self, options, words):
        with pytest.raises(ValueError, match=words):
            build("pure", **options)

    def test_sizes_that_cannot_pass_together(self):
        sketch, photo = images()
        model = build("pure", shared_norm="joint")
        with pytest.raises(ValueError, match=r"\(32, 32\) pixels and photos \(24, 24\).*give both the same size"):
            model(sketch, photo[..., :24, :24])
        build("pure", shared_norm="separate")(sketch, photo[..., :24, :24])

    def test_pictures_that_no_branch_takes(self):
        model = build("pure")
        with pytest.raises(ValueError, match="domain is 'edges'; it can be sketch, photo"):
            model.embed(images()[0], "edges")
        with pytest.raises(ValueError, match=r"takes \(N, 3, H, W\)"):
            model.embed(images()[0][:, :1], "sketch")
        with pytest.raises(ValueError, match="use at least"):
            build("hybrid").embed(torch.zeros(1, 3, 4, 4), "photo")
