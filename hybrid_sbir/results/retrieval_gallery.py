"""From runs' embeddings to the page of retrieval: the same queries, and what each run finds for them."""

from pathlib import Path

import numpy as np
import torch

from hybrid_sbir.metrics import RankingValues
from hybrid_sbir.results.retrieval_page import Picture, Ranking, Searched, retrieval_page
from hybrid_sbir.results.retrieval_run import RetrievalRun, check_same

_WORDS = {"ap": "mAP", "rr": "mRR", "p@10": "P@10"}
_QUERY, _PHOTO = 0, 1


def retrieval_gallery(folders: list[Path], title: str, most: int) -> tuple[str, list[str], str]:
    """Rank what each run embedded and draw the page.

    Args:
        folders: of runs with an embeddings.npz of the same data.
        title: heading of the page.
        most: show at most so many queries.

    Returns:
        The page, a line a run with its scores in percent, and what is on the page.

    Raises:
        FileNotFoundError: a run without embeddings.npz.
        ValueError: a damaged file, or runs of different data.
    """
    runs = [RetrievalRun.read(folder) for folder in folders]
    first = runs[0]
    for other in runs[1:]:
        check_same(first, other)
    places = [run.shown for run in runs]
    common = [row for row in first.shown if all(row in shown for shown in places)]
    rows = [common[i] for i in np.unique(np.linspace(0, len(common) - 1, min(most, len(common))).astype(int))]
    found = [run.ranked() for run in runs]
    queries = [_picture(first, _QUERY, row) for row in rows]
    searched = [_searched(run, values, rows) for run, values in zip(runs, found, strict=True)]
    remarks = [f"{run.name}: {remark}" for run, values in zip(runs, found, strict=True) for remark in values.remarks()]
    page = retrieval_page(title, _about(first, len(rows)), queries, searched, remarks)
    lines = [f"{run.name}: {', '.join(f'{name} {value}' for name, value in run.scores.items())}" for run in searched]
    return page, lines, f"{len(rows)} of {len(first.query_labels)} queries, {len(runs)} run{'s' * (len(runs) > 1)}"


def _about(run: RetrievalRun, shown: int) -> str:
    queries, photos = len(run.query_labels), len(run.catalogue_labels)
    classes = len(run.query_labels.unique())
    return (
        f"The data's test part: {queries:,} queries of {classes} classes, for each of which a catalogue of "
        f"{photos:,} images is ranked; an image of the query's class is right. mAP is the mean over the queries of the "
        "average precision (AP) of the whole ranking, mRR that of the reciprocal rank, 1 / place of the first right "
        f"image; P@10 is the share of right ones among the first ten. {shown} queries spread over the classes are "
        "shown, with the images that come first."
    )


def _searched(run: RetrievalRun, values: RankingValues, rows: list[int]) -> Searched:
    scores = {_WORDS[name]: f"{100 * value:.1f} %" for name, value in values.mean().items()}
    if len(run.groups) > 1:
        for group, labels in run.groups.items():
            own = values["ap"][torch.isin(values.labels, torch.tensor(labels))]
            scores[f"mAP, {group}"] = f"{100 * float(own.nanmean()):.1f} %"
    by_class = {run.classes[label]: means["ap"] for label, means in values.per_class().items()}
    rankings = [
        Ranking(
            [_picture(run, _PHOTO, photo) for photo in run.first[run.shown.index(row)]],
            float(values["ap"][row]),
            float(values["rr"][row]),
        )
        for row in rows
    ]
    return Searched(run.name, {**scores, "parameters": run.parameters}, rankings, by_class)


def _picture(run: RetrievalRun, role: int, row: int) -> Picture:
    labels, names = ((run.query_labels, run.query_names), (run.catalogue_labels, run.catalogue_names))[role]
    return Picture(run.pictures.get((role, row)), str(names[row]), run.classes[int(labels[row])])
