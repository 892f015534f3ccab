"""Is what SketchSearch finds as good as what the evaluator measured? All of Sketchy, through the front door.

    python experiments/search/quality.py            # make search-quality

For each run: an index of Sketchy's photos (hybrid-sbir index, views as in the run's evaluation), every sketch through
SketchSearch.search_many with k = all photos, and mAP from the order of the hits and the folders of their ids alone.
Beside it hybrid-sbir test on a copy of the run: as it was trained (bfloat16, images packed at 96 pixels), in float32,
and in float32 on the files themselves, which is what an index sees.
"""

import argparse
import contextlib
import io
import json
import shutil
from pathlib import Path

import numpy as np
import yaml

from hybrid_sbir.cli import main as hybrid_sbir
from hybrid_sbir.search import SketchSearch

PHOTOS = "images/256x256/photo/tx_000000000000"
SKETCHES = "images/256x256/sketch/tx_000000000000"
EVALUATIONS = {
    "float32": ["--trainer.precision", "32-true"],
    "float32, files": ["--trainer.precision", "32-true", "--data.init_args.pack", "null"],
}
OPTIONS = {"expanded": {"expand": 10}, "re-ranked": {"rerank": True}}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, help="folders of retrieval runs tested on Sketchy")
    parser.add_argument("--sketchy", type=Path, default=Path("data/sketchy"), help="the prepared set")
    parser.add_argument("--work", type=Path, required=True, help="folder for copies of runs and for indexes")
    parser.add_argument("--out", type=Path, default=Path("experiments/search/quality.json"))
    given = parser.parse_args()
    found = json.loads(given.out.read_text()) if given.out.is_file() else {}
    for run in given.runs:
        name = "/".join(run.parts[-2:])
        found[name] = {"evaluator": evaluated(run, given.work), "search": searched(run, given.sketchy, given.work)}
        print(name, json.dumps(found[name], indent=1), flush=True)
        given.out.write_text(json.dumps(found, indent=1) + "\n")
        given.out.with_suffix(".md").write_text(report(found))


def evaluated(run, work):
    """Score by hybrid-sbir test: as the run recorded it, and under the precisions above."""
    scores = {"recorded": json.loads((run / "metrics.json").read_text())["test"]["test/map"]}
    for number, (name, options) in enumerate(EVALUATIONS.items()):
        copy = work / f"runs-{number}" / run.parts[-2] / run.parts[-1]
        if not copy.is_dir():
            shutil.copytree(run, copy)
        config = ["--config", str(copy / "config.yaml"), "--runs", str(work / f"runs-{number}")]
        with contextlib.redirect_stdout(io.StringIO()):
            hybrid_sbir(["test", *config, "--name", f"{run.parts[-2]}/{run.parts[-1]}", *options])
        scores[name] = json.loads((copy / "metrics.json").read_text())["test"]["test/map"]
    return scores


def searched(run, sketchy, work):
    """Score what SketchSearch finds."""
    model = yaml.safe_load((run / "config.yaml").read_text())["model"]["init_args"]
    views = {"mirror": model["mirror"], "scales": model["scales"]}
    index = work / "indexes" / run.parts[-2]
    views_words = ["--mirror", str(views["mirror"]).lower(), "--scales", json.dumps(views["scales"])]
    hybrid_sbir(["index", "--model", str(run), "--photos", str(sketchy / PHOTOS), "--out", str(index), *views_words])
    search = SketchSearch.load(index)
    files = sorted((sketchy / SKETCHES).rglob("*.png"))
    labels = [file.parent.name for file in files]
    scores = {"sketches": len(files), "photos": len(search.photos)}
    for name, options in {"cosine": {}, **OPTIONS}.items():
        hits = search.search_many(files, len(search.photos), **views, **options)
        assert all(len(each) == len(search.photos) for each in hits)
        scores[name] = float(
            np.mean([average_precision(each, label) for each, label in zip(hits, labels, strict=True)])
        )
    return scores


def average_precision(hits, label):
    """Mean over the photos of the sketch's class of the precision at their places."""
    right = np.array([hit.label == label for hit in hits])
    places = np.flatnonzero(right) + 1
    return float((np.arange(1, len(places) + 1) / places).mean())


def report(found):
    columns = ["recorded", "float32, packed", "float32, files", "SketchSearch", "difference", "expanded", "re-ranked"]
    lines = [WORDS, f"| run | {' | '.join(columns)} |", f"|---|{'--:|' * len(columns)}"]
    for name, each in found.items():
        measured, search = each["evaluator"], each["search"]
        values = [measured["recorded"], measured["float32"], measured["float32, files"], search["cosine"]]
        shown = [f"{value:.8f}" for value in values]
        shown += [f"{search['cosine'] - measured['float32, files']:.0e}"]
        shown += [f"{search['expanded']:.4f}", f"{search['re-ranked']:.4f}"]
        lines.append(f"| {name} | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"


WORDS = """# What SketchSearch finds in Sketchy, beside the evaluator

MAP over all 2,125 sketches of 85 classes; the catalogue is all 2,125 photos, and every sketch ranks all of them. Made
by quality.py (`make search-quality`).

- recorded: the run's own test, in bfloat16, on images packed at a shorter side of 96 pixels.
- float32, packed: the same test in float32 (`hybrid-sbir test --trainer.precision 32-true`).
- float32, files: and on the image files themselves (`--data.init_args.pack null`), as an index reads them.
- SketchSearch: `search_many` with k = all photos, in an index that `hybrid-sbir index` made with the run's views. It
  equals the column before but for the order in which 2,125 numbers are added up: the difference is in the last digit
  of a float64. What separates it from the recorded number is bfloat16 and the packing, in that order of the columns.
- expanded: with `expand=10`; re-ranked: with `rerank=True`. Both use the catalogue.
"""


if __name__ == "__main__":
    main()
