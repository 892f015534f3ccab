"""Runs' folders as a training leaves them, with tiny models that have seen a few batches of noise."""

import json

import torch
import yaml

from hybrid_sbir.checkpoint_io import DurableCheckpointIO
from hybrid_sbir.models import Classifier, TwoBranch, create_backbone
from hybrid_sbir.tasks.restoring import BRANCHES_KEY, KEY, describe

CLASSES = ["ant", "bee", "cat", "dog"]
FINGERPRINT = "ab" * 32


def settle(model, *shape):
    """Let batch norms see some noise: their running statistics are then none of the initial ones, and fit it."""
    torch.manual_seed(1)
    model.train()
    for norm in (module for module in model.modules() if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)):
        norm.momentum = None  # the mean of what was seen, without the initial ones
    with torch.no_grad():
        for _ in range(2):
            model(*(torch.randn(8, *shape) for _ in range(2 if isinstance(model, TwoBranch) else 1)))
    return model.eval()


def two_branch(backbone="resnet26", side=32, **options):
    torch.manual_seed(0)
    defaults = {"width": 0.0625, "stem": "tiny", "embedding_size": 8, "hidden": 16}
    return settle(TwoBranch(backbone, len(CLASSES), **{**defaults, **options}), 3, side, side)


def classifier(backbone="resnet26", side=32, **options):
    torch.manual_seed(0)
    return settle(
        Classifier(create_backbone(backbone, **{"width": 0.0625, "stem": "tiny", **options}), 4), 3, side, side
    )


def write_run(folder, model, names=("best", "last"), record=True):
    """Write checkpoints, config.yaml and metrics.json."""
    pair = isinstance(model, TwoBranch)
    state = {f"model.{name}": value for name, value in model.state_dict().items()}
    for name in names:
        described = {BRANCHES_KEY if pair else KEY: describe(model, CLASSES, FINGERPRINT)}
        content = {"state_dict": state, "pytorch-lightning_version": "2.6.4", **described}
        DurableCheckpointIO().save_checkpoint(content, folder / "checkpoints" / f"{name}.ckpt")
    data = {"size": 32, "sketch_eval": "sketch_square_eval", "photo_eval": "photo_eval"}
    if not pair:
        data = {"size": 32, "eval_transform": "sketch_square_eval"}
    (folder / "config.yaml").write_text(yaml.safe_dump({"data": {"class_path": "Data", "init_args": data}}))
    if record:
        (folder / "metrics.json").write_text(json.dumps(_record(pair)))
    return folder


def _record(pair):
    scores = {"test/map": 0.25, "test/p10": 0.5} if pair else {"val/top1": 0.75}
    sets = {"test": {"queries": 1234, "catalogue": 567, "remarks": ["uses the catalogue"], "per_class": {"ant": {}}}}
    return {
        "seed": 3,
        "epochs": 2,
        "data": {"module": "SketchPhotoData", "fingerprint": FINGERPRINT, "classes": len(CLASSES)},
        "device": {"precision": "32-true"},
        "versions": {"torch": "2.9.0"},
        "git": {"commit": "c0ffee"},
        "config": {
            "model": {"class_path": "x.TripletTask", "init_args": {"backbone": "resnet26", "head": "neck"}},
            "data": {
                "init_args": {
                    "sketches": {"class_path": "x.TUBerlin", "init_args": {"name": "tu_berlin", "root": "/somewhere"}},
                    "photos": {"class_path": "x.Prepared", "init_args": {"name": "mine"}},
                    "test_sketches": {"class_path": "x.Sketchy", "init_args": {}},
                    "test_photos": None,
                }
            },
        },
        "test" if pair else "validate": {
            "checkpoint": "/somewhere/checkpoints/best.ckpt",
            "data": {"module": "SketchPhotoData", "fingerprint": FINGERPRINT},
            **scores,
            "details": sets if pair else {},
        },
    }
