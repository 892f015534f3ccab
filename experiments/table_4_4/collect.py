"""Rows of Table 4.4 from the runs' metrics.json files, as Markdown beside the thesis's numbers.

python experiments/table_4_4/collect.py RUNS --rows ROW ... --out FILE
"""

import argparse
import json
import statistics
from collections import defaultdict
from pathlib import Path

COLUMNS = {
    "test/map": "Sketchy mAP",
    "test/mrr": "mRR",
    "test/p10": "P@10",
    "test/seen_map": "mAP seen",
    "test/unseen_map": "mAP unseen",
    "test_expanded/map": "mAP expanded*",
    "test_reranked/map": "mAP re-ranked*",
    "val/map": "validation mAP",
    "val_unseen/map": "val. unseen mAP",
}
NOTE = "Percent. *: uses the catalogue (alpha query expansion, k-reciprocal re-ranking)."


def read(runs: Path, row: str, stage: int) -> dict[str, float] | None:
    """Scores of a row's best checkpoint of a stage; None where it was not run."""
    try:
        record = json.loads((runs / row / f"stage{stage}" / "metrics.json").read_text())
    except FileNotFoundError:
        return None
    return {**record.get("validate", {}), **record.get("test", {})}


def shown(values: list[float]) -> str:
    if len(values) == 1:
        return f"{100 * values[0]:.2f}"
    return f"{100 * statistics.mean(values):.2f} ± {100 * statistics.stdev(values):.2f}"


def table(runs: Path, rows: list[str]) -> str:
    """One line a backbone, start, recipe and stage: the mean and deviation over the seeds."""
    found: dict[tuple[str, int], list[dict[str, float]]] = defaultdict(list)
    for row in rows:
        name, _, _ = row.rpartition("-seed")
        for stage in (2, 3):
            scores = read(runs, row, stage)
            found[name, stage] += [scores] if scores else []
    lines = [f"| row | stage | n | {' | '.join(COLUMNS.values())} |", f"|---|---|---|{'---:|' * len(COLUMNS)}"]
    for (name, stage), seeds in found.items():
        cells = [
            shown([s[column] for s in seeds])
            if seeds and all(column in s for s in seeds)
            else "-"
            if seeds
            else "not run"
            for column in COLUMNS
        ]
        lines.append(f"| {name} | {stage} | {len(seeds)} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", NOTE, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--rows", nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    text = table(given.runs, given.rows)
    given.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
