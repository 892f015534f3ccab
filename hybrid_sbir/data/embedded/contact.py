"""Contact sheets: the first samples of every class side by side, with the class's name."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from hybrid_sbir.data.stores.store import Store

GAP = 4
CAPTION = 18


def contact_sheet(
    stores: Store | Sequence[Store],
    columns: int = 4,
    samples: int = 2,
    size: int = 72,
    classes: Sequence[str] | None = None,
) -> Image.Image:
    """A picture of the first samples of each class, RGB.

    Args:
        stores: one store, or several with the same classes, whose samples stand side by side (sketches, photos).
        columns: how many classes stand in one row of the sheet.
        samples: how many samples of a class and a store.
        size: side of each sample in pixels; others are resized.
        classes: which classes; all where not given.

    Raises:
        ValueError: no store, stores with different classes, fewer samples of a class than asked for.
    """
    several = list(stores) if isinstance(stores, Sequence) else [stores]
    if not several or any(store.classes != several[0].classes for store in several):
        raise ValueError(f"a contact sheet needs stores with the same classes; got {len(several)} with different ones")
    names = several[0].classes if classes is None else tuple(classes)
    wide, tall = len(several) * samples * (size + GAP) + 3 * GAP, size + GAP + CAPTION
    sheet = Image.new("RGB", (columns * wide - 3 * GAP, -(-len(names) // columns) * tall), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for place, name in enumerate(names):
        left, top = place % columns * wide, place // columns * tall
        pen.text((left + 1, top), name, fill=(70, 70, 70), font=font)
        for number, picture in enumerate(_pictures(several, name, samples)):
            fitted = picture.convert("RGB").resize((size, size), Image.Resampling.LANCZOS, reducing_gap=3.0)
            x, y = left + number * (size + GAP), top + CAPTION
            sheet.paste(fitted, (x, y))
            pen.rectangle((x, y, x + size - 1, y + size - 1), outline=(215, 215, 215))
    return sheet


def _pictures(stores: list[Store], name: str, samples: int) -> list[Image.Image]:
    pictures: list[Image.Image] = []
    for store in stores:
        if name not in store.classes:
            raise ValueError(f"no class {name!r} here; there are {', '.join(store.classes)}")
        rows = np.flatnonzero(store.labels == store.classes.index(name))[:samples]
        if len(rows) < samples:
            raise ValueError(
                f"a contact sheet of {samples} samples a class needs as many of {name!r}; there are {len(rows)}"
            )
        pictures += [store.read(int(row)) for row in rows]
    return pictures
