"""Drawings on a transparent ground: it is paper, whatever colour the ink has."""

from io import BytesIO

from PIL import Image, ImageOps

from hybrid_sbir.data.images import FORMATS

_LIGHT = 224  # levels of grey: what is lighter would not be seen on white


def ink_of(source: Image.Image | bytes) -> Image.Image:
    """Return an image on white, mode L or RGB; where all that is visible is light, dark on white instead.

    Args:
        source: an image of any mode, or an image file's bytes that are known to decode.
    """
    image = Image.open(BytesIO(source), formats=FORMATS) if isinstance(source, bytes) else source
    if isinstance(source, bytes) and image.format != "GIF":
        image = ImageOps.exif_transpose(image)
    if not image.has_transparency_data:
        return image if image.mode in ("L", "RGB") else image.convert("RGB")
    rgba = image.convert("RGBA")
    on_paper = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    if any(on_paper.convert("L").histogram()[:_LIGHT]):
        return on_paper
    on_black = Image.alpha_composite(Image.new("RGBA", rgba.size, "black"), rgba).convert("RGB")
    return ImageOps.invert(on_black)
