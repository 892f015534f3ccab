"""What every kind of block beyond the thesis's owes: costs by hand, mixed precision, files, branches, small maps."""

import json
from dataclasses import asdict

import pytest
import torch

from hybrid_sbir.complexity import measure
from hybrid_sbir.models import (
    BackboneSpec,
    Classifier,
    StageSpec,
    TwoBranch,
    create_backbone,
    list_backbones,
    load_classifier,
    save_classifier,
)
from hybrid_sbir.models.published import published_names
from tests.models.two_branch_cases import images, moved, stir

ORDERS = ["pre", "post"]
KINDS = {
    "bot": StageSpec("bot", 64, 2, position_size=4),
    "sasa": StageSpec("sasa", 64, 2, kernel_size=3),
    "vit": StageSpec("vit", 64, 2, position_size=4),
    "basic": StageSpec("basic", 64, 2),
    "squeezed": StageSpec("resnet", 64, 2, squeeze=16),
    "gaussian": StageSpec("nonlocal", 64, 2, form="gaussian"),
    "embedded": StageSpec("nonlocal", 64, 2, form="embedded"),
    "concatenation": StageSpec("nonlocal", 64, 2, form="concatenation"),
    "interleaved": StageSpec("bot", 64, 2, nonlocal_at=[0], form="embedded"),
}
# Side in pixels of the smallest image: the second stage halves the map, by a transition where it is vit or non-local.
SMALLEST = {"vit": 2, "gaussian": 4, "embedded": 4, "concatenation": 4, "interleaved": 4}


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def build(kind, order="pre", classes=3, **options):
    torch.manual_seed(0)
    spec = BackboneSpec([StageSpec("resnet", 32, 1), KINDS[kind]])
    return Classifier(create_backbone(spec, activation=order, stem="tiny", **options), classes)


class TestCosts:
    """Multiply-accumulates of one stage of one block, 8 x 8 positions, counted on paper."""

    P = 64

    def stage_macs(self, spec):
        """Of the stage alone: a model with it less the same model without its block."""
        with torch.device("meta"):
            first = StageSpec("resnet", 64, 1)
            with_stage, without = (
                Classifier(create_backbone(BackboneSpec(stages), stem="tiny"), 3) for stages in ([first, spec], [first])
            )
        return measure(with_stage, 16, 16).macs - measure(without, 16, 16).macs

    def test_bot(self):
        """Conv 64->16 on 16 x 16, then attention there with d = 8 and 2 heads, the last convolution and the shortcut on
        8 x 8."""
        large, small = 256, 64
        attention = 3 * 16 * 16 * large + large * 16 * (16 + 16) + 2 * large * large * 16
        expected = 64 * 16 * large + attention + 16 * 64 * small + 64 * 64 * small
        assert self.stage_macs(StageSpec("bot", 64, 1, heads=2)) == expected

    def test_bot_with_tables_for_another_size_costs_an_image_the_same(self):
        costs = {self.stage_macs(StageSpec("bot", 64, 1, position_size=size)) for size in (3, 8, 14)}
        assert len(costs) == 1

    def test_sasa(self):
        large, small = 256, 64
        attention = 3 * 16 * 16 * large + large * 16 * (7 + 2 * 49)
        expected = 64 * 16 * large + attention + 16 * 64 * small + 64 * 64 * small
        assert self.stage_macs(StageSpec("sasa", 64, 1, heads=2)) == expected

    def test_vit(self):
        transition = 64 * 64 * self.P
        block = 12 * 64 * 64 * self.P + 2 * self.P * self.P * 64
        assert self.stage_macs(StageSpec("vit", 64, 1)) == transition + block

    def test_squeeze(self):
        plain, squeezed = (self.stage_macs(StageSpec("resnet", 64, 1, squeeze=s)) for s in (0, 16))
        assert squeezed - plain == 2 * 64 * 8

    @pytest.mark.parametrize(
        ("form", "compared", "embedding"),
        [("dot", 8, 2 * 64 * 8), ("embedded", 8, 2 * 64 * 8), ("gaussian", 64, 0), ("concatenation", 0, 2 * 64 * 8)],
    )
    def test_nonlocal(self, form, compared, embedding):
        """P = 64 positions against Q = 16; concatenation weighs theta and phi, 8 channels each, before it adds."""
        q = 16
        weighing = 8 * (self.P + q) if form == "concatenation" else 0
        projections = (embedding + 64 * 16 + 16 * 64) * self.P
        expected = 64 * 64 * self.P + projections + weighing + self.P * q * (compared + 16)
        assert self.stage_macs(StageSpec("nonlocal", 64, 1, form=form)) == expected

    def test_vit_b_16(self):
        """196 patches of 768 pixels' values; 12 blocks; the head."""
        expected = 196 * 768 * 768 + 12 * (12 * 768 * 768 * 196 + 2 * 196 * 196 * 768) + 768 * 1000
        with torch.device("meta"):
            model = Classifier(create_backbone("vit_b_16"), 1000)
        assert measure(model, 224, 224).macs == expected


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", KINDS)
class TestEveryKind:
    def test_bfloat16_autocast(self, kind, order):
        model, x = stir(build(kind, order)), noise(4, 3, 16, 16)
        want = model.eval().backbone(x)
        with torch.autocast("cpu", torch.bfloat16):
            got, logits = model.backbone(x), model(x)
        assert logits.dtype == torch.bfloat16
        assert (got - want).abs().max() < 0.06 * want.abs().max()
        with torch.autocast("cpu", torch.bfloat16):
            model.train()(x).float().square().sum().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())

    def test_files_and_plans(self, kind, order, tmp_path):
        model, x = stir(build(kind, order)).eval(), noise(2, 3, 16, 20)
        save_classifier(model, tmp_path / "a.safetensors")
        loaded = load_classifier(tmp_path / "a.safetensors")
        assert json.dumps(loaded.plan()) == json.dumps(model.plan())
        with torch.no_grad():
            assert torch.equal(loaded(x), model(x))

    def test_the_smallest_image(self, kind, order):
        model = build(kind, order).eval()
        side = model.backbone.smallest_input
        assert side == SMALLEST.get(kind, 1)
        with torch.no_grad():
            assert model(noise(2, 3, side, side + 3)).isfinite().all()


@pytest.mark.parametrize(("share", "norm"), [(0, "domain"), (1, "domain"), (1, "separate"), (2, "joint")])
@pytest.mark.parametrize("kind", KINDS)
def test_two_branches(kind, share, norm):
    """The kind's stage is private with a share of 0, and shared but for the norms with each domain's own."""
    torch.manual_seed(0)
    spec = BackboneSpec([StageSpec("resnet", 32, 1), KINDS[kind]])
    order = ORDERS[share % 2]
    model = stir(TwoBranch(spec, 3, shared_stages=share, shared_norm=norm, stem="tiny", activation=order))
    sketch, photo = images(2)
    embedded = model(sketch[..., :16, :16], photo[..., :16, :16])
    sum((part * noise(*part.shape)).mean() for each in embedded for part in each).backward()
    assert not [name for name, p in model.named_parameters() if p.grad is None]
    again = TwoBranch.of(json.loads(json.dumps(model.plan())))
    again.load_state_dict(model.state_dict())
    assert not moved(again, model.state_dict())
    mine, other = model.sketch.stages[1], model.photo.stages[1]
    own, both = ({id(p) for p in mine.parameters()}, {id(p) for p in other.parameters()})
    norms = {id(p) for m in mine.modules() if isinstance(m, torch.nn.BatchNorm2d) for p in m.parameters()}
    expected = set() if not share else own - norms if norm == "domain" else own
    assert own & both == expected


def test_the_names_of_these_kinds():
    forms = {f"hib_nl_{form}_{c}_{4 - c}" for form in ("gaussian", "embedded", "concatenation") for c in (2, 3)}
    hybrids = {f"hib_{kind}_{c}_{4 - c}" for kind in ("bot", "sasa", "vit") for c in (2, 3)}
    networks = {"resnet34", "se_resnet26", "se_resnet50", "botnet26", "botnet50", "sasa26", "sasa50", "vit_b_16"}
    assert forms | hybrids | networks <= set(list_backbones())


def test_plans_of_before_these_kinds_stay_equal():
    """A checkpoint of the first version describes a stage in six numbers: it is neither refused nor read otherwise."""
    old = {"kind": "san", "width": 64, "depth": 2, "attention": "patchwise", "kernel_size": 3, "nonlocal_at": [0]}
    spec = StageSpec(**old)
    assert spec.plain() == old
    assert set(asdict(spec)) - set(old) == {"form", "heads", "position_size", "squeeze"}
    assert StageSpec("bot", 64, 1, heads=2).plain()["heads"] == 2


@pytest.mark.parametrize(
    ("kind", "width", "heads"),
    [
        ("bot", 2048, 4), ("bot", 64, 2), ("bot", 32, 1), ("bot", 352, 4), ("bot", 96, 3),
        ("sasa", 2048, 8), ("sasa", 64, 2), ("sasa", 352, 4),
        ("vit", 768, 12), ("vit", 384, 6), ("vit", 64, 1), ("vit", 96, 1), ("vit", 608, 8),
    ],
)  # fmt: skip
def test_heads_follow_the_papers_and_the_width(kind, width, heads):
    spec = StageSpec(kind, width, 1)
    spec.check()
    assert spec.head_count == heads


@pytest.mark.parametrize("factor", [0.125, 0.3, 0.5, 1.7])
@pytest.mark.parametrize("name", ["hib_bot_2_2", "hib_sasa_2_2", "hib_vit_2_2", "sasa26", "vit_b_16"])
def test_every_width_factor_gives_heads_that_fit(name, factor):
    with torch.device("meta"):
        create_backbone(name, width=factor)


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        (
            StageSpec("bot", 64, 1, heads=3),
            "heads is 3; a bot stage of width 64 shares 16 .*give one of 1, 2, 4, 8, or",
        ),
        (StageSpec("vit", 64, 1, heads=0), "heads is 0; a vit stage of width 64 shares 64 "),
        (StageSpec("sasa", 64, 1, heads=16), "heads is 16; a sasa stage"),
        (
            StageSpec("resnet", 64, 1, heads=4),
            "heads is 4, which a resnet stage does not use; it is for bot, sasa, vit",
        ),
        (StageSpec("sasa", 64, 1, position_size=7), "position_size is 7, which a sasa stage does not use"),
        (StageSpec("bot", 64, 1, position_size=0), "position_size is 0; a map has at least 1"),
        (StageSpec("resnet", 64, 1, form="embedded"), "form is 'embedded', which a resnet stage does not use"),
        (
            StageSpec("nonlocal", 64, 1, form="cosine"),
            "no non-local form 'cosine'; there are dot, gaussian, embedded, ",
        ),
        (StageSpec("resnet", 64, 1, squeeze=-1), "squeeze is -1; give the reduction"),
        (StageSpec("sasa", 64, 1, kernel_size=6), "kernel_size is 6"),
        (StageSpec("bot", 20, 1), "a bot stage of width 20: the width must be a multiple of 8; try 16"),
        (StageSpec("basic", 32, 0), "a basic stage of 0 blocks"),
    ],
)
def test_a_refusal_says_what_is_allowed(stage, words):
    with pytest.raises(ValueError, match=words):
        create_backbone([stage])


def test_what_the_published_code_lacks_has_no_published_names():
    for spec in KINDS.values():
        with pytest.raises(ValueError, match="blocks that the published code lacks"):
            published_names(create_backbone([spec]))
