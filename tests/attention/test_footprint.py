"""One position's weights on the map: they give the block's own output there, borders included."""

import pytest
import torch
import torch.nn.functional as F

from hybrid_sbir.attention import attention_blocks, footprints
from hybrid_sbir.attention.footprint import fold
from hybrid_sbir.models import Backbone, BackboneSpec, Classifier, StageSpec, TwoBranch, create_backbone
from tests.attention.networks import mixed, of_heads, unsettle


def image(seed=0, channels=3, side=32):
    return torch.rand(channels, side, side, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("activation", ["pre", "post"])
def test_blocks_have_the_names_of_their_places(activation):
    found = [(block.name, block.kind) for block in attention_blocks(mixed(activation))]
    assert found == [("2.1", "non-local"), ("2.2", "pairwise"), ("3.1", "patchwise"), ("4.1", "non-local")]


def inputs_of(backbone, blocks, x):
    seen, handles = {}, []
    for block in blocks:
        keep = lambda module, args, name=block.name: seen.update({name: args[0]})  # noqa: E731
        handles.append(block.module.register_forward_pre_hook(keep))
    with torch.no_grad():
        backbone(x[None])
    for handle in handles:
        handle.remove()
    return seen


@pytest.mark.parametrize("cell", [(0, 0), (1, 1), (0, 1), (1, 0)])
@pytest.mark.parametrize("activation", ["pre", "post"])
@torch.no_grad()
def test_what_lies_on_the_map_sums_to_the_blocks_output_at_the_position(activation, cell):
    backbone, x = mixed(activation), image(side=64)
    blocks = attention_blocks(backbone)
    inputs = inputs_of(backbone, blocks, x)
    for block, footprint in zip(blocks, footprints(backbone, x, cell=cell), strict=True):
        module, given = block.module, inputs[block.name]
        assert (footprint.grid.rows, footprint.grid.columns) == given.shape[-2:]
        if block.kind == "non-local":
            values = F.max_pool2d(module.g(module.norm(given)), 2)[0]
            theta, phi = module.theta(module.norm(given)), F.max_pool2d(module.phi(module.norm(given)), 2)
            row = torch.einsum("d,dq->q", theta[0, :, *cell], phi[0].flatten(1)) / phi[0, 0].numel()
            torch.testing.assert_close(footprint.on_map[0].flatten(), row, rtol=1e-5, atol=1e-6)
        else:
            values = module.attention.beta(F.relu(module.norm1(given)))[0]
            channel_group = torch.arange(len(values)) % footprint.groups
            mine = (footprint.on_map[channel_group] * values).sum((1, 2))
            theirs = module.attention(F.relu(module.norm1(given)))[0, :, *cell]
            torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5 * float(theirs.abs().max()))


def test_reflection_is_that_of_the_operators():
    weights = torch.rand(2, 7, 7, generator=torch.Generator().manual_seed(0))
    size = (5, 9)
    counted = F.pad(torch.arange(45.0).view(1, 1, *size), [3] * 4, mode="reflect")[0, 0].long()
    inside = F.pad(torch.ones(size), [3] * 4).bool()
    for cell in ((0, 0), (4, 8), (2, 4), (1, 7)):
        rows, columns = (slice(place, place + 7) for place in cell)
        places, own = counted[rows, columns], inside[rows, columns]
        expected = torch.stack([torch.bincount(places.flatten(), w.flatten(), minlength=45) for w in weights])
        on_map, outside, reflected = fold(weights, cell, size)
        torch.testing.assert_close(on_map.flatten(1), expected.float())
        assert outside.equal(~own)
        assert set(reflected.flatten().nonzero().flatten().tolist()) == set(places[~own].tolist())


HEADED = [("2.1", "bot", 16), ("2.2", "bot", 8), ("3.1", "sasa", 8), ("3.2", "sasa", 4), ("4.1", "vit", 2)]


@pytest.mark.parametrize("cell", [(0, 0), (1, 1), (0, 1)])
@pytest.mark.parametrize("activation", ["pre", "post"])
@torch.no_grad()
def test_heads_lie_on_the_map_they_attend_to_and_give_their_output(activation, cell):
    backbone, x = of_heads(activation), image()
    blocks = attention_blocks(backbone)
    found = footprints(backbone, x, cell=cell)
    sides = [footprint.grid.rows for footprint in found]
    assert [(b.name, b.kind, side) for b, side in zip(blocks, sides, strict=True)] == HEADED
    strides = [footprint.grid.stride for footprint in found]
    assert [stride * side for stride, side in zip(strides, sides, strict=True)] == [32] * 5
    inputs = inputs_of(backbone, blocks, x)
    for block, footprint in zip(blocks, found, strict=True):
        torch.testing.assert_close(footprint.on_map.sum((1, 2)), torch.ones(footprint.groups))
        assert (footprint.kind == "sasa") == footprint.local
        if block.kind == "vit":
            continue
        values = block.module.value(inputs[block.name])[0]
        channel = torch.arange(16)
        head = channel // 8 if block.kind == "bot" else channel % 2
        mine = (footprint.on_map[head] * values).sum((1, 2))
        torch.testing.assert_close(mine, block.module(inputs[block.name])[0, :, *cell], rtol=1e-4, atol=1e-5)


def test_what_a_window_leaves_out_falls_nowhere():
    found = footprints(of_heads(), image(), cell=(0, 1), blocks=["3.1", "3.2"])
    assert [int(each.outside.sum()) for each in found] == [49 - 4 * 5, 49 - 4 * 4]
    assert [each.neighbours for each in found] == [20, 16]
    assert not any(each.reflected.any() for each in found)
    torch.testing.assert_close(found[1].weights[:, 3:, 2:6], found[1].on_map)


def test_a_vit_has_the_grid_of_its_patches():
    backbone = create_backbone("vit_b_16", width=0.125, stem="tiny").eval()
    (first, *_) = footprints(backbone, image(side=40), at=(39, 0), blocks=["1.1", "1.12"])
    assert (first.grid.rows, first.grid.stride, first.grid.first, first.cell) == (10, 4.0, 1.5, (0, 9))


def seeker(kernel_size=7):
    """A network that looks for ink: 1x1 entry, a pool, a pairwise block whose weights grow with channel 0."""
    model = Backbone(
        BackboneSpec([StageSpec("san", 32, 0), StageSpec("san", 32, 1, "pairwise", kernel_size)], "linear"),
        in_channels=1, stem_width=32,
    ).eval()  # fmt: skip
    for parameter in model.parameters():
        parameter.data.zero_()
    for norm in (module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)):
        norm.weight.data.fill_(1)
    for conv in (model.stem.conv, *(stage.transition.conv for stage in model.stages)):
        conv.weight.data[0, 0] = 1
    attention = model.stages[1].blocks[0].attention
    attention.psi.weight.data[0, 0] = -1
    attention.relation[2].weight.data[0, 0] = 1
    attention.relation[5].weight.data[0, 0] = 20
    return model


@pytest.mark.parametrize("ink", [(17, 38), (2, 1), (60, 61), (33, 20)])
@torch.no_grad()
def test_a_network_that_looks_for_ink_is_drawn_looking_at_the_ink(ink):
    x = torch.zeros(1, 64, 64)
    x[0, ink[1], ink[0]] = 1
    start = min(max(ink[0] - 8, 0), 63), min(max(ink[1] + 8, 0), 63)
    (footprint,) = footprints(seeker(), x, at=start)
    row, column = divmod(int(footprint.on_map[0].argmax()), footprint.map_grid.columns)
    x_found, y_found = footprint.map_grid.centre(row, column)
    assert max(abs(x_found - ink[0]), abs(y_found - ink[1])) <= footprint.map_grid.stride / 2
    assert float(footprint.on_map[0].max()) > 0.9
    x_start, y_start = footprint.grid.centre(*footprint.cell)
    assert max(abs(x_start - start[0]), abs(y_start - start[1])) <= footprint.grid.stride / 2


def test_classifiers_and_each_of_two_branches_are_looked_into():
    backbone, x = mixed(), image()
    own = footprints(backbone, x, (5, 20))
    of_classifier = footprints(Classifier(backbone, 3).eval(), x, (5, 20))
    assert all(a.weights.equal(b.weights) for a, b in zip(own, of_classifier, strict=True))
    torch.manual_seed(0)
    stages = [StageSpec("san", 32, 1, "patchwise", 3), StageSpec("san", 32, 1, "pairwise", 3)]
    both = unsettle(TwoBranch(stages, 3, shared_stages=1, stem="tiny"))
    sketch, photo = (footprints(both, x, (5, 20), domain=domain) for domain in ("sketch", "photo"))
    assert not sketch[0].weights.allclose(photo[0].weights)
    alone = footprints(both.photo, x, (5, 20))
    assert all(a.weights.equal(b.weights) for a, b in zip(photo, alone, strict=True))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"at": (32, 3)}, r"position \(32, 3\) is outside of the image: x is 0 to 31, y 0 to 31"),
        ({"at": (3, -1)}, "is outside of the image"),
        ({"cell": (4, 0), "blocks": ["4.1"]}, r"cell \(4, 0\) is outside of block 4.1's map of 2 x 2"),
        ({}, "either in pixels"),
        ({"at": (3, 3), "cell": (0, 0)}, "either in pixels"),
        (
            {"at": (3, 3), "blocks": ["3.2", "2.1"]},
            r"no attention block 3\.2; there are .*2\.1 \(non-local\), 2\.2 \(pair",
        ),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(settings, words):
    with pytest.raises(ValueError, match=words):
        footprints(mixed(), image(), **settings)


def test_models_without_attention_small_images_and_training_are_refused():
    with pytest.raises(ValueError, match=r"no attention block.*its stages are resnet.*hib_\*"):
        footprints(create_backbone("resnet26", width=0.125).eval(), image(side=64), (3, 3))
    with pytest.raises(ValueError, match=r"no attention block.*another library's \(torchvision:resnet18\).*hib_\*"):
        footprints(create_backbone("torchvision:resnet18").eval(), image(side=64), (3, 3))
    with pytest.raises(ValueError, match=r"12 x 12 pixels is 1 x 1 at stage 3.*use at least 31 x 31"):
        footprints(mixed(), image(side=12), (3, 3))
    with pytest.raises(ValueError, match="training mode"):
        footprints(mixed().train(), image(), (3, 3))
    with pytest.raises(ValueError, match="a Linear has no stages to look into"):
        footprints(torch.nn.Linear(2, 2), image(), (3, 3))
    with pytest.raises(ValueError, match="one image is"):
        footprints(mixed(), image()[None], (3, 3))
