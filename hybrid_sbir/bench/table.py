"""Rows of measured backbones as the thesis's Table 3.1, its own columns beside them."""

import csv
import json
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from hybrid_sbir.bench import goals
from hybrid_sbir.bench.backbones import TABLE_3_1
from hybrid_sbir.bench.page import digits, markdown
from hybrid_sbir.durable import write_durably

Row = dict[str, Any]
Thesis = Mapping[str, Mapping[str, float]]

ROWS = "rows"
"""Folder of the files of a row each, below that of the results."""

_THESIS = ("parameters_millions", "gmacs", "relative_training", "relative_inference", "training_ms", "inference_ms")
_BESIDE = ("params M", "GMACs", "rel. train", "rel. infer", "train ms", "infer ms")
_MORE = ("train img/s", "infer img/s", "train MiB", "infer MiB")


def tabulate(results: list[Path], reference: Path | None = None, out: Path | None = None) -> str:
    """Print recorded results of ``bench models`` as a table.

    Args:
        results: folders of results, or files of rows (``table.json``).
        reference: the thesis's numbers to set beside, a CSV file.
        out: a Markdown file to write too.
    """
    rows = [row for path in results for row in read_rows(path)]
    text = "\n".join(table(rows, read_reference(reference) if reference else {})) + "\n"
    print(text, end="")
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_durably(out, text.encode())
    return text


def read_rows(path: Path) -> list[Row]:
    """Read the rows below a folder of results, or of one file that holds a list of rows.

    Raises:
        ValueError: if a file is damaged, or there is no row.
    """
    files = sorted((path / ROWS).glob("*.json")) if path.is_dir() else [path]
    rows: list[Row] = []
    for file in files:
        try:
            content = json.loads(file.read_text())
            found = content if isinstance(content, list) else [content]
            for row in found:
                _line(row, {}), _setting(row)  # a damaged row is refused here, not in the middle of a table
            rows += found
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{file}: not a measured row ({type(error).__name__}: {error}); delete it") from error
    if not rows:
        raise ValueError(f"no measured rows in {path}; bench models writes them into {path / ROWS}")
    return rows


def read_reference(path: Path) -> dict[str, dict[str, float]]:
    """Read the thesis's columns of each backbone.

    Raises:
        ValueError: if the file is not such a table.
    """
    try:
        with path.open(newline="") as file:
            return {row["backbone"]: {name: float(row[name]) for name in _THESIS} for row in csv.DictReader(file)}
    except (KeyError, ValueError, TypeError) as error:
        raise ValueError(f"{path}: not a table of backbone,{','.join(_THESIS)} ({error})") from error


def table(rows: Iterable[Row], thesis: Thesis) -> list[str]:
    """Lines of a Markdown table for each device, size, type and way of measuring, with the goals they speak of.

    Args:
        rows: as :func:`hybrid_sbir.bench.backbones.measure` returns them.
        thesis: backbone -> its columns in the thesis; may be empty.
    """
    lines: list[str] = []
    for setting, group in groupby(sorted(rows, key=_order), key=_setting):
        chosen = list(group)
        lines += [f"**{setting}**", "", *_section(chosen, thesis), ""]
        lines += [*reached, ""] if (reached := goals.of_backbones(chosen)) else []
    lines.append("- rel.: a step's or an inference's time over ResNet26's in the same round; the median of all rounds")
    lines.append(f"- MiB: at the peak, weights included, as {' or '.join(sorted({row['memory'] for row in rows}))}")
    if thesis:
        lines.append("- thesis: its own count of operations; times at batch 64, 224 x 224, on two Titan X")
    return lines


def _setting(row: Row) -> str:
    """What the rows of one table have in common: only they are to be compared."""
    job, machine = row["job"], row["machine"]
    words = [
        machine["device"]["name"],
        f"{job['size']} x {job['size']}",
        f"batch {job['batch']}",
        job["dtype"],
        f"{job['activation']}-activation",
        *([f"width {job['width']}"] if job["width"] != 1 else []),
        *(["channels last"] if job["channels_last"] else []),
        f"operators: {machine['implementation']['name']}",
        *([f"{machine['cpu']['threads']} threads"] if machine["device"]["type"] == "cpu" else []),
        f"PyTorch {machine['versions']['torch']}",
    ]
    return ", ".join(words)


def _order(row: Row) -> tuple[Any, ...]:
    """Tables of one device together, float32 first; in a table the thesis's order, the published layout below ours."""
    job = row["job"]
    name = job["backbone"]
    place = TABLE_3_1.index(name) if name in TABLE_3_1 else len(TABLE_3_1)
    return row["machine"]["device"]["name"], job["dtype"] != "float32", _setting(row), place, name, job["published"]


def _section(rows: list[Row], thesis: Thesis) -> list[str]:
    columns = ["backbone", "layout"]
    for name in _BESIDE:
        columns += [name, "thesis"] if thesis else [name]
    return markdown([*columns, *_MORE], [_line(row, thesis) for row in rows])


def _line(row: Row, thesis: Thesis) -> list[str]:
    """One row's cells."""
    train, infer, job = row["train"], row["infer"], row["job"]
    own = [f"{row['parameters'] / 1e6:.2f}", f"{row['macs'] / 1e9:.2f}"]
    own += [f"{way['relative']['median']:.2f}" for way in (train, infer)]
    own += [digits(way["ms"]["median"]) for way in (train, infer)]
    beside = [f"{thesis[job['backbone']][name]:g}" if job["backbone"] in thesis else "-" for name in _THESIS]
    cells = [cell for pair in zip(own, beside, strict=True) for cell in (pair if thesis else pair[:1])]
    rates = [digits(way["images_per_second"]) for way in (train, infer)]
    peaks = ["-" if row["peak_mib"][way] is None else f"{row['peak_mib'][way]:.0f}" for way in ("train", "infer")]
    return [job["backbone"], "published" if job["published"] else "ours", *cells, *rates, *peaks]
