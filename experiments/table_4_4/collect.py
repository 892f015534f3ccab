"""Rows of Table 4.4 from the runs' metrics.json files, as Markdown, and what of them is kept in the repository.

python experiments/table_4_4/collect.py RUNS --rows ROW ... --out TABLE.md [--keep FOLDER]
"""

import argparse
import csv
import json
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

COLUMNS = {
    "test/map": "Sketchy mAP",
    "test/mrr": "mRR",
    "test/p10": "P@10",
    "test/seen_map": "mAP seen",
    "test/unseen_map": "mAP unseen",
    "test_expanded/map": "expanded*",
    "test_reranked/map": "re-ranked*",
    "val/map": "val. mAP",
    "val_unseen/map": "val. unseen mAP",
}
NOTE = (
    "Percent; mean and standard deviation over n seeds. expanded, re-ranked: mAP after alpha query expansion and "
    "k-reciprocal re-ranking, which use the catalogue. val.: the 20 % sketches and photos of the classes trained with "
    "(the thesis's Figure 4.5); val. unseen: ten classes held out of training."
)
STAGES = (2, 3)


def read(runs: Path, row: str, stage: int) -> dict[str, Any] | None:
    """A row's record of a stage; None where it was not run to its end."""
    try:
        record = json.loads((runs / row / f"stage{stage}" / "metrics.json").read_text())
    except FileNotFoundError:
        return None
    return record if "test" in record else None


def table(runs: Path, rows: list[str]) -> str:
    """One line a backbone, start, recipe and stage: the mean and deviation over the seeds."""
    found: dict[tuple[str, int], list[dict[str, float]]] = defaultdict(list)
    for row in rows:
        name, _, _ = row.rpartition("-seed")
        for stage in STAGES:
            record = read(runs, row, stage)
            found[name, stage] += [{**record.get("validate", {}), **record["test"]}] if record else []
    lines = [f"| row | stage | n | {' | '.join(COLUMNS.values())} |", f"|---|---|---|{'---:|' * len(COLUMNS)}"]
    for (name, stage), seeds in found.items():
        cells = [cell([s[c] for s in seeds if s.get(c) is not None], len(seeds)) for c in COLUMNS]
        lines.append(f"| {name} | {stage} | {len(seeds) or 'not run'} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", NOTE, ""])


def cell(values: list[float], seeds: int) -> str:
    """A mean with its deviation; empty where a seed has no value (stage 2 is validated while it trains only)."""
    if not values or len(values) < seeds:
        return ""
    mean = f"{100 * statistics.mean(values):.2f}"
    return mean if len(values) == 1 else f"{mean} ± {100 * statistics.stdev(values):.2f}"


def keep(runs: Path, row: str, folder: Path) -> None:
    """Write a row's scores, curves, settings and origin into one file; of its classes' scores only the plain test's."""
    kept: dict[str, Any] = {}
    for stage in STAGES:
        record = read(runs, row, stage)
        if record is None:
            return
        for verb in ("validate", "test"):
            details = record.get(verb, {}).pop("details", {})
            if verb == "test":
                record["per_class_ap"] = {
                    name: round(own["map"], 4) for name, own in details["test"]["per_class"].items()
                }
        with (runs / row / f"stage{stage}" / "metrics.csv").open() as file:
            record["curve"] = [{name: float(value) for name, value in line.items()} for line in csv.DictReader(file)]
        kept[f"stage{stage}"] = record
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{row}.json").write_text(json.dumps(kept, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--rows", nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--keep", type=Path, help="a folder for one file a row, to commit")
    given = parser.parse_args()
    text = table(given.runs, given.rows)
    given.out.write_text(text)
    print(text)
    for row in given.rows if given.keep else ():
        keep(given.runs, row, given.keep)


if __name__ == "__main__":
    main()
