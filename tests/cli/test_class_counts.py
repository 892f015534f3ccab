"""What a classification's record says of each class, and that it comes to the scores, through the command line."""

import json

import pytest


def test_counts_of_the_classes_come_to_the_scores(call, tiny, runs):
    assert call(tiny("fit", "--trainer.max_epochs", 1)) == 0
    assert "details" not in json.dumps(json.loads((runs / "run/metrics.json").read_text()))
    assert call(tiny("validate")) == 0
    validated = json.loads((runs / "run/metrics.json").read_text())["validate"]
    said = validated["details"]["val"]
    assert {name: own["samples"] for name, own in said["per_class"].items()} == {"class0": 5, "class1": 5, "class2": 3}
    assert said["samples"] == 13
    for rate in ("top1", "top5"):
        right = sum(own[rate] for own in said["per_class"].values())
        assert validated[f"val/{rate}"] == right / 13
    assert all(own["top5"] == own["samples"] for own in said["per_class"].values()), "of three classes"


def test_classes_are_counted_as_the_predictions_are(call, tiny, runs):
    import numpy as np

    assert call(tiny("fit", "--trainer.max_epochs", 2)) == 0
    assert call(tiny("validate")) == 0
    assert call(tiny("predict")) == 0
    validated = json.loads((runs / "run/metrics.json").read_text())["validate"]
    said = validated["details"]["val"]["per_class"]
    with np.load(runs / "run/predictions.npz") as file:
        right = file["probabilities"].argmax(axis=1) == file["label"]
        expected = {name: int(right[file["label"] == k].sum()) for k, name in enumerate(file["classes"].tolist())}
    assert {name: own["top1"] for name, own in said.items()} == expected
    assert sum(expected.values()) == pytest.approx(
        13 * json.loads((runs / "run/metrics.json").read_text())["validate"]["val/top1"]
    )
