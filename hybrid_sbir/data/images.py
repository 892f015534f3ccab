"""Image files of any common kind -> 8-bit grey or RGB, or an error that names the file and the reason.

Sizes are in pixels.
"""

import struct
import zlib
from io import BytesIO
from os import PathLike, fspath
from typing import IO, Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

Mode = Literal["L", "RGB"]
Source = str | PathLike[str] | bytes | IO[bytes]

MAX_PIXELS = 50_000_000

# Formats with a decoder inside Pillow; EPS, for one, would start an external interpreter on the file's content.
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM")

_SIXTEEN_BIT = ("I;16", "I;16B", "I;16L", "I;16N")
_DECODER_ERRORS = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, OverflowError, struct.error, zlib.error
)  # fmt: skip


class ImageProblem(ValueError):
    """An image that cannot be used.

    Attributes:
        name: the file's path, or what the caller called it.
        reason: what is wrong: begins with missing, unreadable, truncated, oversized or unsupported.
    """

    def __init__(self, name: str, reason: str = "") -> None:
        # A loader's worker re-raises with the whole message as the only argument.
        super().__init__(f"{name}: {reason}" if reason else name)
        self.name = name
        self.reason = reason

    def __reduce__(self) -> tuple[type["ImageProblem"], tuple[str, str]]:
        return type(self), (self.name, self.reason)


def read_image(
    source: Source,
    mode: Mode | None = None,
    *,
    min_side: int | None = None,
    max_pixels: int = MAX_PIXELS,
    name: str | None = None,
) -> Image.Image:
    """Decode an image upright, on white where it is transparent, in 8 bits; the first frame of an animation.

    Args:
        source: a path, the file's bytes, or a binary file object.
        mode: ``"L"`` or ``"RGB"``; None keeps grey images grey (L) and gives all others in RGB.
        min_side: let the JPEG decoder shrink the image by 2, 4 or 8 while no side falls below this length. Much faster
            on large photos, with slightly different pixels; other formats ignore it.
        max_pixels: larger images are refused before they are decoded.
        name: what to call the image in errors; by default its path.

    Returns:
        The decoded image, of mode L or RGB.

    Raises:
        ImageProblem: if the file is missing, no image, truncated, too large or of a kind without an 8-bit meaning.
    """
    name = name or _name_of(source)
    opened = BytesIO(source) if isinstance(source, bytes) else source
    try:
        with Image.open(opened, formats=FORMATS) as image:
            _check_size(image, max_pixels, name)
            if min_side is not None and image.format in ("JPEG", "MPO"):
                image.draft("L" if mode == "L" else None, (min_side, min_side))
            image.load()
            return _upright_8bit(image, mode, name)
    except ImageProblem:
        raise
    except _DECODER_ERRORS as error:
        raise ImageProblem(name, _reason(error)) from error
    except Image.DecompressionBombError as error:
        raise ImageProblem(name, f"oversized: {error}") from error


def _name_of(source: Source) -> str:
    if isinstance(source, bytes):
        return f"<{len(source)} bytes>"
    return fspath(source) if isinstance(source, str | PathLike) else str(getattr(source, "name", "<file object>"))


def _check_size(image: Image.Image, max_pixels: int, name: str) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise ImageProblem(
            name,
            f"oversized: {width} x {height} is {width * height / 1e6:.1f} megapixels, the limit is "
            f"{max_pixels / 1e6:.1f}; shrink the image or raise max_pixels",
        )


def _upright_8bit(image: Image.Image, mode: Mode | None, name: str) -> Image.Image:
    if image.format != "GIF":  # GIF has no EXIF, and asking for it would decode the frames that follow
        image = ImageOps.exif_transpose(image)
    if image.mode in _SIXTEEN_BIT:
        image = _from_16bit(image)
    elif image.mode in ("I", "F"):
        raise ImageProblem(name, f"unsupported: 32-bit pixels (mode {image.mode}); save it with 8 or 16 bits a channel")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        grey = image.mode in ("LA", "La") or _is_grey(image)
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), rgba).convert("L" if grey else "RGB")
    target = mode or ("L" if _is_grey(image) else "RGB")
    return image if image.mode == target else image.convert(target)


def _is_grey(image: Image.Image) -> bool:
    if image.mode != "P":
        return image.mode in ("L", "1")
    palette = np.asarray(image.getpalette("RGB")).reshape(-1, 3)
    return bool((palette == palette[:, :1]).all())


def _from_16bit(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.uint32)
    grey = ((values + 128) // 257).astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return Image.fromarray(grey)


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "missing: no such file"
    if isinstance(error, UnidentifiedImageError):
        return f"unreadable: not an image in any of the formats {', '.join(FORMATS)}"
    words = str(error) or type(error).__name__
    truncated = isinstance(error, EOFError) or "truncated" in words.lower() or "broken data stream" in words.lower()
    return f"{'truncated' if truncated else 'unreadable'}: {words}"
