"""Small two-branch models of the three kinds of backbone, and how to move every number of one."""

import torch

from hybrid_sbir.models import BackboneSpec, StageSpec, TwoBranch

_RESNET = [StageSpec("resnet", width, 1) for width in (32, 32, 64)]
_PAIR, _PATCH = ([StageSpec("san", width, 1, kind, 3) for width in (32, 64)] for kind in ("pairwise", "patchwise"))
BACKBONES = {
    "pure": BackboneSpec([*_RESNET, StageSpec("resnet", 64, 2, nonlocal_at=(1,))]),
    "attentional": BackboneSpec([StageSpec("san", 32, 0), *_PATCH, *_PAIR], "linear"),  # five stages, as SAN10
    "hybrid": BackboneSpec([*_RESNET[1:], StageSpec("san", 64, 2, "patchwise", 3, (1,)), _PAIR[1]]),
}
STAGES = {name: len(spec.stages) for name, spec in BACKBONES.items()}
NORMS = ("separate", "joint", "domain")
CLASSES = 5


def build(backbone="hybrid", seed=0, classes=CLASSES, **options):
    """A narrow model for images of 32 x 32 pixels."""
    torch.manual_seed(seed)
    options = {"width": 0.5, "stem": "tiny", "embedding_size": 16, "hidden": 24} | options
    return TwoBranch(BACKBONES[backbone], classes, **options)


def images(count=4, seed=0):
    """Sketches and photos, (N, 3, 32, 32) each, of statistics that differ."""
    generator = torch.Generator().manual_seed(seed)
    sketch, photo = (torch.randn(count, 3, 32, 32, generator=generator) for _ in range(2))
    return 2 * sketch + 1, photo


def stir(model, seed=7):
    """Shift every parameter, so that no residual branch is shut by a zero, and every running statistic."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer += 0.1 * torch.randn(buffer.shape, generator=generator)
            if name.endswith("running_var"):
                buffer *= 1 + torch.rand(buffer.shape, generator=generator)
    return model


def snapshot(model):
    """Copies of all tensors by name."""
    return {name: value.clone() for name, value in model.state_dict().items()}


def moved(model, before):
    """Names of the tensors that are no longer what they were."""
    return {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
