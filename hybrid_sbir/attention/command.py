"""The verb that draws what a position of an image looks at."""

from pathlib import Path

from hybrid_sbir.attention.blocks import backbone_of, choose_blocks
from hybrid_sbir.attention.footprint import footprints
from hybrid_sbir.attention.picture import check_format, describe, draw, save
from hybrid_sbir.attention.seen import look_at
from hybrid_sbir.encoding.trained_model import eval_transform, load_model, run_name
from hybrid_sbir.models.two_branch import Domain


def attention(
    *,
    model: Path,
    image: Path,
    at: tuple[float, float],
    out: Path = Path("attention.png"),
    blocks: list[str] | None = None,
    groups: list[int] | None = None,
    domain: Domain = "sketch",
    transform: str | None = None,
    size: int | None = None,
) -> list[str]:
    """Draw what a position of an image looks at: the weights of each attention block over the image.

    Weights of a softmax are shown from 0, patchwise and non-local ones with their signs. The image is drawn as the
    model sees it, after its run's own preparation.

    Args:
        model: a run's folder or checkpoint, or a file with a classifier (.safetensors, published .pth / .npz).
        image: an image file, a sketch or a photo.
        at: the position, x and y in pixels of the image file.
        out: the picture, .png, .svg or .pdf; an older one is replaced in one step.
        blocks: which blocks, STAGE.BLOCK counted from 1 (3.2 4.1); default: all attention blocks.
        groups: which share groups or heads to show beside their mean, from 0; default: the three with the largest
            weights.
        domain: of a model with two branches, which one: sketch or photo.
        transform: how the image is prepared, instead of as in the run.
        size: side in pixels of what the model sees, instead of the run's.

    Returns:
        A line a block, and one that says what was written.

    Raises:
        ValueError: no attention block or no such one, a position outside, an image too small, no such group.
        OSError: a file that cannot be read or written.
    """
    check_format(out)
    trained = load_model(Path(model))
    backbone = backbone_of(trained.model, domain)
    choose_blocks(backbone, blocks)
    prepared = eval_transform(trained.path, backbone.in_channels, domain, transform, size)
    seen = look_at(Path(image), prepared, at)
    found = footprints(backbone, seen.tensor, seen.at, blocks=blocks)
    words = f"{run_name(trained.path)}\n{Path(image).name}, pixel {at[0]:g} {at[1]:g}"
    save(draw(seen.pixels, seen.at, found, groups=groups, caption=words), out)
    lines = [f"{each.block}: {describe(each)}".replace("\n", ", ") for each in found]
    return [*lines, f"wrote {out}: {len(found)} blocks of {trained.path}"]
