"""Run folders as a training leaves them, for the tests of what is drawn from them."""

import json

TASKS = {"val/top1": "ClassificationTask", "val/map": "TripletTask"}


def leave_run(folder, values, score="val/top1", name=None, finished=True, width=0.25, size=64, **sections):
    """A run whose epochs reached ``values``, fractions; None where an epoch has no value. Returns its folder."""
    folder.mkdir(parents=True)
    name = name or folder.name
    best = max((value for value in values if value is not None and value == value), default=None)
    record = {
        "format": 1,
        "name": name,
        "seed": int(name.partition("-seed")[2].partition("/")[0] or 0),
        "parameters": 1000,
        "data": {"module": "TUBerlin", "fingerprint": "f", "classes": 50},
        "config": {
            "model": {
                "class_path": f"hybrid_sbir.tasks.{TASKS.get(score, 'TripletTask')}",
                "init_args": {
                    "backbone": name.rpartition("/stage")[0].partition("-")[0] or name.partition("-")[0],
                    "activation": "pre",
                    "width": width,
                    "stem": "small",
                },
            },
            "data": {"init_args": {"size": size}},
        },
        "epochs": len(values),
        "max_epochs": len(values) if finished else len(values) + 3,
        "finished": finished,
        "best": None if best is None else {"epoch": 0, score: best},
        **sections,
    }
    (folder / "metrics.json").write_text(json.dumps(record))
    rows = [f"{epoch},0.1,{'' if value is None else value}" for epoch, value in enumerate(values)]
    (folder / "metrics.csv").write_text("\n".join([f"epoch,lr,{score}", *rows]) + "\n")
    return folder
