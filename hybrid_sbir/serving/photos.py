"""Photos of the index for the page: small ones, kept in memory, and whole ones. Lengths are in pixels."""

from collections import OrderedDict
from io import BytesIO
from typing import NamedTuple

from PIL import Image

from hybrid_sbir.data.images import ImageProblem, read_image
from hybrid_sbir.search import SketchSearch
from hybrid_sbir.serving.limits import Limits
from hybrid_sbir.serving.problems import Refused

SIDE = 256
_SHOWN_BY_BROWSERS = {"JPEG": "image/jpeg", "PNG": "image/png", "GIF": "image/gif", "WEBP": "image/webp"}


class Picture(NamedTuple):
    """Bytes that a browser shows, and what they are."""

    content: bytes
    kind: str


class Thumbnails:
    """Small pictures, at most so many bytes of them; those looked at longest ago go first."""

    def __init__(self, limit: int) -> None:
        self._limit, self._bytes = limit, 0
        self._kept: OrderedDict[tuple[str, int, int], Picture] = OrderedDict()

    def get(self, key: tuple[str, int, int]) -> Picture | None:
        """Return a picture that is kept."""
        if (picture := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
        return picture

    def put(self, key: tuple[str, int, int], picture: Picture) -> None:
        """Keep a picture."""
        if key in self._kept:
            return
        self._kept[key] = picture
        self._bytes += len(picture.content)
        while self._bytes > self._limit:
            self._bytes -= len(self._kept.popitem(last=False)[1].content)


def thumbnail(search: SketchSearch, photo: str, limits: Limits) -> Picture:
    """Return a photo with its longer side at most 256.

    Raises:
        Refused: if its file is gone or broken.
    """
    try:
        image = read_image(_read(search, photo, limits), "RGB", min_side=SIDE, max_pixels=4 * limits.pixels, name=photo)
    except ImageProblem as problem:
        raise Refused(404, f"the photo cannot be read any more: {problem.reason}") from None
    image.thumbnail((SIDE, SIDE))
    content = BytesIO()
    image.save(content, "JPEG", quality=85)
    return Picture(content.getvalue(), "image/jpeg")


def whole(search: SketchSearch, photo: str, limits: Limits) -> Picture:
    """Return a photo's own bytes, or, of kinds that browsers do not show, a JPEG of it.

    Raises:
        Refused: if its file is gone or broken.
    """
    content = _read(search, photo, limits)
    try:
        with Image.open(BytesIO(content), formats=(*_SHOWN_BY_BROWSERS, "BMP", "TIFF", "PPM")) as image:
            if image.format in _SHOWN_BY_BROWSERS:
                return Picture(content, _SHOWN_BY_BROWSERS[image.format])
        converted = BytesIO()
        read_image(content, "RGB", max_pixels=4 * limits.pixels, name=photo).save(converted, "JPEG", quality=92)
    except (OSError, ValueError, Image.DecompressionBombError):
        raise Refused(404, "the photo cannot be read any more: it is no image that can be shown") from None
    return Picture(converted.getvalue(), "image/jpeg")


def _read(search: SketchSearch, photo: str, limits: Limits) -> bytes:
    try:
        return search.photo_bytes(photo, limits.photo_bytes)
    except (OSError, ValueError):
        raise Refused(404, "the photo's file cannot be read any more, or is too large to be shown") from None
