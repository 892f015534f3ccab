"""Runs as they leave metrics.json and metrics.csv, and definitions of tables, for the tests of what reads them."""

import json

import yaml

TASKS = {"classification": "ClassificationTask", "retrieval": "TripletTask", "unimodal": "UnimodalRetrieval"}


def record(name, kind="classification", /, seed=0, scores=None, **changes):
    """A finished run's record; ``changes`` are by dotted names, of the record or below it."""
    scores = scores or (
        {"top1": 0.5, "top5": 0.7} if kind == "classification" else {"map": 0.1, "mrr": 0.3, "p10": 0.2}
    )
    section, part = ("validate", "val") if kind == "classification" else ("test", "test")
    model = {"backbone": name.partition("-")[0], "activation": "pre", "width": 0.25, "stem": "small"}
    if kind == "unimodal":
        model = {"init_from": f"runs/table-4.2/quick/{name}", "mirror": False}
    data = {"module": "TUBerlin", "classes": 50, "fingerprint": "aaaa"}
    content = {
        "format": 1,
        "name": name,
        "seed": seed,
        "data": data,
        "versions": {"hybrid-sbir": "0.1.0"},
        "config": {
            "name": name,
            "seed_everything": seed,
            "trainer": {"max_epochs": 3},
            "model": {"class_path": f"hybrid_sbir.tasks.{TASKS.get(kind, kind)}", "init_args": model},
            "data": {"class_path": "TUBerlin", "init_args": {"size": 64, "batch_size": 64}},
        },
        "epochs": 3,
        "max_epochs": 3,
        "finished": True,
        "wall_time_s": 1.5,
        section: {"data": dict(data), **{f"{part}/{measure}": value for measure, value in scores.items()}},
    }
    if kind == "unimodal":
        for trained in ("epochs", "max_epochs", "finished"):
            del content[trained]
    for path, value in changes.items():
        set_at(content, path, value)
    return content


def set_at(content, path, value):
    """Change what stands at a dotted path; None removes it."""
    *parents, last = path.split(".")
    for parent in parents:
        content = content.setdefault(parent, {})
    content.pop(last, None)
    if value is not None:
        content[last] = value


def write_run(runs, name, kind="classification", /, curve=True, **settings):
    """Write a run's folder below ``runs``; returns it."""
    folder = runs / name
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps(record(name, kind, **settings)))
    if curve and kind != "unimodal":
        (folder / "metrics.csv").write_text("epoch,val/top1\n0,0.25\n1,\n2,0.5\n")
    return folder


def per_class(*means, queries=10):
    """Details of an evaluation: classes of so many queries and these average precisions."""
    classes = {f"class {i}": {"queries": queries, "map": mean} for i, mean in enumerate(means)}
    return {"queries": queries * len(means), "catalogue": 50, "per_class": classes}


DEFINITION = {
    "title": "A table",
    "names": "{backbone}-{activation}",
    "run": "{row}-seed{seed}",
    "rows": ["resnet26-pre", "san10_pair-pre"],
    "columns": [
        {"key": "top1", "heading": "top-1", "score": "val/top1"},
        {"key": "top5", "heading": "top-5", "score": "val/top5"},
    ],
}


def write_definition(folder, reference=None, **changes):
    """Write a table's definition, and its reference where there is one; returns its path."""
    content = {**DEFINITION, **changes}
    if reference is not None:
        content["reference"] = "thesis.csv"
        (folder / "thesis.csv").write_text(reference)
    path = folder / "table.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def rows(text):
    """The cells of a Markdown table, its head left out."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
