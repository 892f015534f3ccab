"""The verb that turns what runs predicted into a page of pictures: of classes, or of photos found for sketches.

N samples, K classes, T thumbnails, H and W their size.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from hybrid_sbir.durable import write_durably
from hybrid_sbir.results.prediction_page import ModelPredictions, Sample, accuracy, prediction_page
from hybrid_sbir.results.run_files import need, read_arrays, read_record

PREDICTIONS = "predictions.npz"


@dataclass(frozen=True)
class _Run:
    """What a run's folder holds: predictions.npz (see PredictionsFile) and the record metrics.json."""

    folder: Path
    name: str
    parameters: str
    index: np.ndarray
    label: np.ndarray
    probabilities: np.ndarray
    classes: tuple[str, ...]
    thumbnails: np.ndarray
    thumbnail_rows: np.ndarray


def gallery(
    runs: list[Path], out: Path = Path("gallery.html"), title: str | None = None, samples: int = 60
) -> list[str]:
    """Draw a page: the same samples, as each run's model sees them, or the same queries and what each run finds.

    The page is one HTML file that needs nothing else. Each run's folder must hold what `hybrid-sbir predict` leaves:
    embeddings.npz of a retrieval, predictions.npz of a classification.

    Args:
        runs: folders of runs that predicted the same data.
        out: where to write the page; an older one is replaced in one step.
        title: heading of the page.
        samples: show at most so many, as far as their pictures are at hand.

    Returns:
        A line a run with its scores, and one that says what was written.

    Raises:
        ValueError: no run, a damaged file, runs of different data or of different kinds.
        FileNotFoundError: a run without either file, or a classification without metrics.json.
    """
    if not runs or samples < 1:
        raise ValueError(f"a gallery needs at least one run and one sample; got {len(runs)} and {samples}")
    folders = [Path(run) for run in runs]
    if _of_retrieval(folders):
        from hybrid_sbir.results.retrieval_gallery import retrieval_gallery  # ranks, and so imports PyTorch

        page, lines, what = retrieval_gallery(folders, title or "Retrieval", samples)
    else:
        page, lines, what = _classification(folders, title or "Predictions", samples)
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_durably(out, page.encode())
    return [*lines, f"wrote {out}: {what}"]


def _of_retrieval(folders: list[Path]) -> bool:
    """Whether the runs are of retrieval.

    Raises:
        ValueError: if some are and others are of classification.
    """
    found = {folder: (folder / "embeddings.npz").is_file() for folder in folders}
    if any(found.values()) and not all(found.values()):
        lacking = next(folder for folder, there in found.items() if not there)
        if (lacking / PREDICTIONS).is_file():
            several = ", ".join(str(folder) for folder, there in found.items() if there)
            raise ValueError(f"{several} hold a retrieval, {lacking} a classification; draw a page of one kind")
        need(lacking, "embeddings.npz")
    return any(found.values())


def _classification(folders: list[Path], title: str, samples: int) -> tuple[str, list[str], str]:
    """The page of predicted classes, a line a run, and what is on the page."""
    several = [_read_run(folder) for folder in folders]
    first = several[0]
    for other in several[1:]:
        _check_same(first, other)
    shown = [
        Sample(_picture(picture), f"sample {first.index[row]}", row)
        for picture, row in list(zip(first.thumbnails, first.thumbnail_rows.tolist(), strict=True))[:samples]
    ]
    models = [ModelPredictions(run.name, run.probabilities, {"parameters": run.parameters}) for run in several]
    page = prediction_page(title, first.classes, first.label, shown, models)
    lines = [f"{m.name}: top-1 {100 * accuracy(m.probabilities, first.label, 1):.1f} %" for m in models]
    return page, lines, f"{len(shown)} of {len(first.label)} samples, {len(models)} model{'s' * (len(models) > 1)}"


def _picture(thumbnail: np.ndarray) -> Image.Image:
    return Image.fromarray(thumbnail[..., 0] if thumbnail.shape[2:] == (1,) else thumbnail)


def _read_run(folder: Path) -> _Run:
    need(folder, PREDICTIONS)
    name, parameters = read_record(folder)

    def built(archive: Mapping[str, np.ndarray]) -> _Run:
        index, label, probabilities = archive["index"], archive["label"], archive["probabilities"]
        classes, thumbnails = tuple(map(str, archive["classes"])), archive["thumbnails"]
        rows = archive["thumbnail_rows"]
        run = _Run(folder, name, parameters, index, label, probabilities, classes, thumbnails, rows)
        _check_arrays(run)
        return run

    return read_arrays(folder, PREDICTIONS, built)


def _check_arrays(run: _Run) -> None:
    """Refuse arrays that do not fit together, saying which."""
    count, kinds, shape = run.label.size, len(run.classes), run.thumbnails.shape
    together = run.index.shape == run.label.shape == (count,) and run.probabilities.shape == (count, kinds)
    if not together or not count:
        shapes = f"index {run.index.shape}, label {run.label.shape}, probabilities {run.probabilities.shape}"
        raise ValueError(f"{shapes} and {kinds} classes do not fit together")
    if run.label.dtype.kind not in "iu" or run.label.min() < 0 or run.label.max() >= kinds:
        raise ValueError(f"labels are not class numbers from 0 to {kinds - 1}")
    if run.probabilities.dtype.kind != "f":
        raise ValueError(f"probabilities are {run.probabilities.dtype}, not floating point")
    if run.thumbnails.dtype != np.uint8 or len(shape) < 3 or shape[3:] not in ((), (1,), (3,)) or shape[0] > count:
        allowed = f"uint8 (T, H, W), (T, H, W, 1) or (T, H, W, 3) with T up to {count}"
        raise ValueError(f"thumbnails are {run.thumbnails.dtype} {shape}; {allowed} is allowed")
    rows = run.thumbnail_rows
    if (
        rows.shape != shape[:1]
        or rows.dtype.kind not in "iu"
        or (rows.size and not 0 <= rows.min() <= rows.max() < count)
    ):
        raise ValueError(
            f"thumbnail_rows are {rows.dtype} {rows.shape}; ({shape[0]},) row numbers below {count} are allowed"
        )


def _check_same(first: _Run, other: _Run) -> None:
    both = f"runs {first.folder} ({len(first.label)} samples) and {other.folder} ({len(other.label)})"
    if first.classes != other.classes:
        raise ValueError(f"{both} predict different classes; compare runs of the same data")
    if not np.array_equal(first.index, other.index) or not np.array_equal(first.label, other.label):
        raise ValueError(f"{both} predicted different samples; compare runs of the same data and split")
