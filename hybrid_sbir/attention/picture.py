"""A picture of footprints: the image with the position marked, and a row a block with the weights over the image.

Shapes: S side of the image, G share groups or heads.
"""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from hybrid_sbir.attention.footprint import Footprint
from hybrid_sbir.attention.page import SIDE, TITLE, Page
from hybrid_sbir.attention.panels import draw_image, draw_panel, draw_scale, grey_levels, window_of
from hybrid_sbir.durable import write_durably

FORMATS = (".png", ".svg", ".pdf")
_DPI = 200
_WORDS, _SCALE, _LAST_SCALE, _GAP = 1.2, 0.6, 0.46, 0.07  # inches; with three groups a page's 170 mm
_BAR = 0.07  # of a scale's inches
_GROUPS = 3  # are shown where none is named


def check_format(out: Path) -> None:
    """Refuse a picture's file name before anything is computed.

    Raises:
        ValueError: if its ending is none that can be written.
    """
    if out.suffix.lower() not in FORMATS:
        raise ValueError(f"{out} ends in '{out.suffix}'; a picture can be {', '.join(FORMATS)}")


def strongest_groups(footprint: Footprint, number: int = _GROUPS) -> list[int]:
    """Return the share groups or heads with the largest single weights, ascending; none where there is only one."""
    if footprint.groups == 1:
        return []
    peaks = footprint.on_map.abs().flatten(1).amax(1)
    return sorted(peaks.topk(min(number, footprint.groups)).indices.tolist())


def draw(
    pixels: np.ndarray,
    at: tuple[float, float],
    several: Sequence[Footprint],
    *,
    groups: Sequence[int] | None = None,
    caption: str = "",
) -> Any:
    """Draw footprints of one position.

    Args:
        pixels: the image as the model sees it, 8 bits, (S, S) or (S, S, 3).
        at: x and y of the position.
        several: its footprints, a row each.
        groups: share groups to show beside the mean over all; by default of each block the three with the largest
            weights.
        caption: words beside the image.

    Returns:
        A matplotlib Figure.

    Raises:
        ValueError: no footprint, a group that a block lacks, weights that are not finite, no matplotlib.
    """
    _check(several, groups or ())
    figure_class = _figure_class()
    chosen = [strongest_groups(each) if groups is None else _own(each, groups) for each in several]
    columns = max(map(len, chosen))
    width = _WORDS + SIDE + _SCALE + columns * (SIDE + _GAP) + (_LAST_SCALE if columns else 0)
    tall = SIDE + TITLE + _GAP
    figure = figure_class(figsize=(max(width, 5.2), tall * (len(several) + 1)), dpi=_DPI)
    page = Page(figure, tall)
    draw_image(page.axes(0, _WORDS, SIDE), pixels, at)
    page.words(0, 0.05, "what the\nmodel sees", bold=True)
    page.legend(_WORDS + SIDE + 0.15, caption, several)
    grey = grey_levels(pixels)
    for row, (footprint, shown) in enumerate(zip(several, chosen, strict=True), 1):
        _row(page, row, footprint, shown, grey)
    return figure


def save(figure: Any, out: Path) -> None:
    """Write a figure as PNG, SVG or PDF, by the file's ending; the same bytes every time.

    Raises:
        ValueError: see :func:`check_format`.
    """
    import matplotlib

    check_format(out)
    undated = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    kind = out.suffix.lower()
    content = BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "hybrid_sbir", "svg.fonttype": "path", "pdf.fonttype": 42}):
        figure.savefig(content, format=kind[1:], dpi=_DPI, metadata=undated[kind])
    out.parent.mkdir(parents=True, exist_ok=True)
    write_durably(out, content.getvalue())


def _row(page: Page, row: int, footprint: Footprint, groups: Sequence[int], grey: np.ndarray) -> None:
    stage, block = footprint.block.split(".")
    page.words(row, 0.05, f"stage {stage}, block {block}", bold=True)
    larger = len(grey) / window_of(footprint, len(grey)).side
    page.words(row, 0.05, describe(footprint) + (f"\nshown {larger:.1f} × larger" if larger > 1 else ""), down=0.16)
    mean = footprint.on_map.mean(0).numpy()
    noun = footprint.group_noun.removeprefix("share ")
    title = f"mean of {footprint.groups} {noun}s" if footprint.groups > 1 else "all channels"
    left = _WORDS
    _panels(page, row, left, footprint, {title: mean}, grey)
    left += SIDE + _SCALE
    _panels(page, row, left, footprint, {f"{noun} {g}": footprint.on_map[g].numpy() for g in groups}, grey)


def _panels(
    page: Page, row: int, left: float, footprint: Footprint, maps: dict[str, np.ndarray], grey: np.ndarray
) -> None:
    """Panels with one scale, which stands at their right."""
    if not maps:
        return
    most = max(float(np.abs(values).max()) for values in maps.values())
    for title, values in maps.items():
        axes = page.axes(row, left, SIDE)
        axes.set_title(title, fontsize=8, pad=3)
        draw_panel(axes, grey, values, footprint, most)
        left += SIDE + _GAP
    uniform = 1 / footprint.neighbours if footprint.law.softmax else None
    draw_scale(page.axes(row, left - _GAP + 0.05, _BAR), most, footprint.law.signed, uniform)


def describe(footprint: Footprint) -> str:
    """Say in a few lines what a footprint is."""
    law = "softmax" if footprint.law.softmax else "signed" if footprint.law.signed else "positive"
    rows, columns = footprint.weights.shape[1:]
    size = f"map {footprint.grid.rows} × {footprint.grid.columns}"
    lines = [f"{footprint.kind}, {law}"]
    if not footprint.local:
        lines += [size, f"keys on {rows} × {columns}"] if footprint.kind == "non-local" else [size]
    else:
        small = max(footprint.grid.rows, footprint.grid.columns) < 10
        lines += [f"{rows} × {columns} of {size}"] if small else [f"{rows} × {columns} footprint", size]
    if footprint.kind != "non-local":
        lines += [f"{footprint.groups} {footprint.group_noun}{'s' if footprint.groups > 1 else ''}"]
    if beyond := int(footprint.outside.sum()):
        lines.append(f"{beyond} of {rows * columns} {'left out' if footprint.kind == 'sasa' else 'reflected'}")
    if footprint.law.softmax:
        lines.append(f"line: 1/{footprint.neighbours}")
    return "\n".join(lines)


def _own(footprint: Footprint, groups: Sequence[int]) -> list[int]:
    return [] if footprint.kind == "non-local" else list(groups)


def _check(several: Sequence[Footprint], groups: Sequence[int]) -> None:
    if not several:
        raise ValueError("there is no footprint to draw")
    for footprint in several:
        wrong = [group for group in _own(footprint, groups) if not 0 <= group < footprint.groups]
        if wrong:
            raise ValueError(
                f"block {footprint.block} has {footprint.groups} {footprint.group_noun}s, 0 to {footprint.groups - 1}; "
                f"got {', '.join(map(str, wrong))}: choose others, or other blocks (--blocks)"
            )
        if not footprint.weights.isfinite().all():
            raise ValueError(f"the weights of block {footprint.block} are not finite: is the model trained?")


def _figure_class() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ValueError("pictures need matplotlib: pip install 'hybrid-sbir[figures]'") from error
    return Figure
