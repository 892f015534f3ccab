"""A map's position lies where it looks at: measured by the centroid of its gradient in a network of averages."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hybrid_sbir.attention import Grid, stage_grids
from hybrid_sbir.models import Backbone, BackboneSpec, StageSpec, create_backbone, list_backbones


@pytest.fixture
def averaging(monkeypatch):
    """Pools average, so that a linear network of ones looks evenly at all that it looks at."""
    monkeypatch.setattr(F, "max_pool2d", F.avg_pool2d)
    monkeypatch.setattr(F, "relu", lambda x: x)

    def build(entry, stages, stem, activation):
        model = Backbone(BackboneSpec(stages, entry), activation=activation, stem=stem, stem_width=8).double().eval()
        for module in model.modules():
            for name, child in module.named_children():
                if isinstance(child, nn.MaxPool2d):
                    setattr(module, name, nn.AvgPool2d(3, 2, 1))
                elif isinstance(child, nn.ReLU):
                    setattr(module, name, nn.Identity())
            if isinstance(module, nn.Conv2d):
                nn.init.constant_(module.weight, 0.01)
        return model

    return build


CONVOLUTIONS = [StageSpec("resnet", 8, 1), StageSpec("resnet", 8, 2), StageSpec("resnet", 8, 1)]
HYBRID = [StageSpec("resnet", 8, 1), StageSpec("resnet", 8, 1), StageSpec("san", 32, 0), StageSpec("san", 32, 0)]
POOLS = [StageSpec("san", 32, 0) for _ in range(3)]


@pytest.mark.parametrize("activation", ["pre", "post"])
@pytest.mark.parametrize("stem", ["imagenet", "small", "tiny"])
@pytest.mark.parametrize(
    ("entry", "stages"), [("convolution", CONVOLUTIONS), ("convolution", HYBRID), ("linear", POOLS)]
)
def test_centres_are_the_centroids_of_what_positions_look_at(averaging, entry, stages, stem, activation):
    model = averaging(entry, stages, stem, activation)
    side = 256 if stem == "imagenet" else 128
    image = torch.zeros(1, 3, side, side, dtype=torch.float64, requires_grad=True)
    grids = stage_grids(model, side, side)
    for grid, features in zip(grids, model.stage_features(image), strict=True):
        row, column = grid.rows // 2 - 1, grid.columns // 2  # far from the border, whose zeros would pull
        (gradient,) = torch.autograd.grad(features[0, :, row, column].sum(), image, retain_graph=True)
        weight = gradient[0].sum(0).abs()
        pixels = torch.arange(side, dtype=torch.float64)
        x, y = (weight.sum(axis) @ pixels / weight.sum() for axis in (0, 1))
        assert (float(x), float(y)) == pytest.approx(grid.centre(row, column), abs=1e-6)


@pytest.mark.parametrize("name", [name for name in list_backbones() if name.startswith(("resnet26", "san10", "hib_"))])
def test_grids_have_the_sizes_of_the_maps(name):
    model = create_backbone(name, width=0.125, activation="post")
    for size in ((224, 224), (150, 201)):
        grids = stage_grids(model, *size)
        assert [(grid.rows, grid.columns) for grid in grids] == model.stage_sizes(*size)
        assert [grid.stride for grid in grids][-1] == 32


def test_positions_and_pixels_lead_to_each_other():
    grid = Grid(8.0, 3.5, 6, 5)
    assert grid.centre(2, 1) == (11.5, 19.5)
    assert grid.cell_at(11.5, 19.5) == grid.cell_at(15.4, 15.6) == (2, 1)
    assert grid.cell_at(-30, 400) == (5, 0)  # beyond the last centres the nearest position is meant
    assert grid.extent == (-0.5, 39.5, 47.5, -0.5)  # behind pools only, positions tile the image
    assert grid.pooled() == Grid(16.0, 7.5, 3, 2)
