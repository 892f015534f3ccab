"""The architectures of the thesis's Tables 2.1, 2.2 and 4.4: parameters as published and as built here, and their MACs.

    make table-2            # writes experiments/table_2/parameters.md

Each as a classifier of 1000 classes on colour images of 224 x 224 pixels. Nothing is trained and nothing fetched.
"""

import csv
from pathlib import Path

import torch

from hybrid_sbir.complexity import measure
from hybrid_sbir.durable import write_durably
from hybrid_sbir.models import Classifier, create_backbone

HERE = Path(__file__).parent
SIDE, CLASSES = 224, 1000
HEAD = """# Tables 2.1 and 2.2: the architectures that the thesis builds on

Classifiers of 1000 classes, colour images of 224 x 224 pixels. Published: as the named source counts. MACs are counted
here (`hybrid-sbir models`). ViT-B/16 as built here has no class token: 1,536 numbers fewer,
768 of the token and 768 of its position. Made by `make table-2`.

| architecture | table | backbone | published | here | difference | GMACs | stages | source |
|---|---|---|---:|---:|---:|---:|---:|---|
"""


def main() -> None:
    with (HERE / "published.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    write_durably(HERE / "parameters.md", (HEAD + "\n".join(map(line, rows)) + "\n").encode())


def line(row: dict[str, str]) -> str:
    with torch.device("meta"):
        model = Classifier(create_backbone(row["backbone"], activation=row["activation"]), CLASSES)
    cost = measure(model, SIDE, SIDE)
    cells = [row["row"], row["table"], f"`{row['backbone']}`", shown(row["published"]), f"{cost.parameters:,}"]
    cells += [difference(row["published"], cost.parameters), f"{cost.macs / 1e9:.3f}", str(len(model.backbone.stages))]
    return f"| {' | '.join([*cells, row['source']])} |"


def shown(published: str) -> str:
    return published if published.endswith("M") else f"{int(published):,}"


def difference(published: str, here: int) -> str:
    """The exact difference, or of a number rounded to tenths of a million, the rounded one."""
    if published.endswith("M"):
        return f"{here / 1e6 - float(published[:-1]):+.1f}M"
    return f"{here - int(published):+,}" if here != int(published) else "0"


if __name__ == "__main__":
    main()
