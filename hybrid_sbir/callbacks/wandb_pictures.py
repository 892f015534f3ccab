"""Pictures of what a model found: tiles, strips of ranked photos, confusion. Right and wrong differ without colour too.

Shapes: Q samples, K classes, H, W size of a picture.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIDE = 112  # pixels of a tile's picture
_FRAME, _TEXT, _GAP = 5, 18, 6
_RIGHT, _WRONG, _NEITHER = (0, 158, 115), (213, 94, 0), (110, 110, 110)  # Okabe-Ito, grey
_INK, _PAPER = (20, 20, 20), (255, 255, 255)
_DEEP = np.array((0, 70, 130))  # a full cell
_CELL, _MARGIN, _MOST = 22, 150, 40  # of a confusion's picture; _MOST classes


def tile(picture: np.ndarray, text: str, right: bool | None = None) -> Image.Image:
    """Frame a picture (H, W, 1 or 3), uint8, with a line below: solid if right, broken and crossed out if wrong."""
    grey = picture.shape[-1] == 1
    shown = Image.fromarray(picture[..., 0] if grey else picture).convert("RGB").resize((SIDE, SIDE))
    size = SIDE + 2 * _FRAME
    paper = Image.new("RGB", (size, size + _TEXT), _PAPER)
    paper.paste(shown, (_FRAME, _FRAME))
    draw = ImageDraw.Draw(paper)
    if right is False:
        _broken_frame(draw, size)
    else:
        draw.rectangle((0, 0, size - 1, size - 1), outline=_RIGHT if right else _NEITHER, width=_FRAME)
    draw.text((2, size + 2), _fitting(text, size - 4), fill=_INK, font=_font())
    return paper


def strip(tiles: Sequence[Image.Image]) -> Image.Image:
    """Put tiles side by side, the first, a query, set apart."""
    width, height = tiles[0].size
    paper = Image.new("RGB", (len(tiles) * (width + _GAP) + 2 * _GAP, height), _PAPER)
    for place, each in enumerate(tiles):
        paper.paste(each, (place * (width + _GAP) + (3 * _GAP if place else 0), 0))
    return paper.crop((0, 0, (len(tiles) - 1) * (width + _GAP) + 3 * _GAP * (len(tiles) > 1) + width, height))


def confusion(counts: np.ndarray, classes: Sequence[str]) -> Image.Image:
    """Draw a confusion matrix (K, K), a row a true class, by shares of the row.

    Of more than 40 classes those with the most mistakes. A column beyond the last class counts the other classes and
    what had no prediction; it is named "others".

    Args:
        counts: samples by true class and by found class; a last column without a class may follow.
        classes: K names.
    """
    known = len(classes)
    totals = counts.sum(axis=1)
    mistakes = totals - counts[:, :known].diagonal()
    kept = np.sort(np.argsort(-mistakes, kind="stable")[:_MOST]) if known > _MOST else np.arange(known)
    inside = counts[np.ix_(kept, kept)]
    cells = np.concatenate([inside, (totals[kept] - inside.sum(axis=1))[:, None]], axis=1)
    names = [classes[label] for label in kept]
    side, breadth = len(kept) * _CELL, (len(kept) + 1) * _CELL
    paper = Image.new("RGB", (_MARGIN + breadth + 8, _MARGIN + side + 26), _PAPER)
    draw = ImageDraw.Draw(paper)
    for row, values in enumerate(cells):
        for column, count in enumerate(values):
            _cell(draw, row, column, int(count), count / max(totals[kept[row]], 1))
        label = _fitting(names[row], _MARGIN - 10)
        draw.text((_MARGIN - 6, _MARGIN + row * _CELL + _CELL // 2), label, fill=_INK, font=_font(), anchor="rm")
    for column, name in enumerate([*names, "others"]):
        _upright(paper, name, _MARGIN + column * _CELL)
    draw.rectangle((_MARGIN, _MARGIN, _MARGIN + side, _MARGIN + side), outline=_NEITHER)
    note = "rows: true class; columns: found" + (
        f"; the {_MOST} of {known} classes with most mistakes" * (known > _MOST)
    )
    draw.text((8, _MARGIN + side + 6), note, fill=_INK, font=_font())
    return paper


def _cell(draw: ImageDraw.ImageDraw, row: int, column: int, count: int, share: float) -> None:
    left, top = _MARGIN + column * _CELL, _MARGIN + row * _CELL
    colour = tuple(int(part) for part in np.array(_PAPER) + (_DEEP - np.array(_PAPER)) * share)
    draw.rectangle((left, top, left + _CELL - 1, top + _CELL - 1), fill=colour)
    if count:
        middle = (left + _CELL // 2, top + _CELL // 2)
        draw.text(middle, f"{count}", fill=_PAPER if share > 0.5 else _INK, font=_font(9), anchor="mm")


def _upright(paper: Image.Image, text: str, left: int) -> None:
    """Write a column's name from below to above."""
    label = Image.new("RGB", (_MARGIN - 10, _CELL), _PAPER)
    ImageDraw.Draw(label).text((0, _CELL // 2), _fitting(text, _MARGIN - 12), fill=_INK, font=_font(), anchor="lm")
    paper.paste(label.rotate(90, expand=True), (left, 6))


def _broken_frame(draw: ImageDraw.ImageDraw, size: int) -> None:
    """Draw dashes around, and a cross in the upper right corner."""
    edge, dash = size - _FRAME, 10
    for start in range(0, size, 2 * dash):
        end = min(start + dash, size - 1)
        for box in ((start, 0, end, _FRAME - 1), (start, edge, end, size - 1)):
            draw.rectangle(box, fill=_WRONG)
            draw.rectangle((box[1], box[0], box[3], box[2]), fill=_WRONG)
    corner = (size - 24, _FRAME + 2, size - _FRAME - 3, 24 - 2)
    draw.rectangle(corner, fill=_PAPER)
    left, top, right, bottom = corner
    for ends in ((left + 3, top + 3, right - 3, bottom - 3), (left + 3, bottom - 3, right - 3, top + 3)):
        draw.line(ends, fill=_WRONG, width=3)


def _fitting(text: str, width: int) -> str:
    """As much of a text as fits, with an ellipsis where it was cut."""
    font = _font()
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}...") > width:
        text = text[:-1]
    return f"{text}..."


def _font(size: int = 12) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
