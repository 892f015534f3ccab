"""Intervals over classes in tables: of a classification's counts, of groups of classes; none where there are none."""

import json

import numpy as np
import pytest

from hybrid_sbir.cli import main
from hybrid_sbir.results.class_intervals import class_interval
from hybrid_sbir.results.records import read_run
from tests.results.run_records import per_class, rows, write_definition, write_run

SIZES = (8, 5, 13, 4)
RIGHT = ((4, 7), (0, 2), (12, 13), (1, 1))


def counts(right=RIGHT):
    classes = {
        f"class {i}": {"samples": n, "top1": top1, "top5": top5}
        for i, (n, (top1, top5)) in enumerate(zip(SIZES, right, strict=True))
    }
    return {"val": {"samples": sum(SIZES), "per_class": classes}}


def scores(right=RIGHT):
    return {name: sum(own[i] for own in right) / sum(SIZES) for i, name in enumerate(("top1", "top5"))}


def leave(runs, name, details=None, **settings):
    return write_run(runs, name, scores=scores(), **({"validate.details": details} if details else {}), **settings)


def printed(capsys, runs, table):
    main(["report", str(runs), "--table", str(table)])
    return capsys.readouterr().out


def bounds(cell):
    return tuple(float(word) for word in cell.partition("[")[2].strip("]").split(", "))


def test_a_classification_has_intervals_beside_older_ones_that_have_none(tmp_path, capsys):
    leave(tmp_path / "runs", "resnet26-pre-seed0", counts())
    leave(tmp_path / "runs", "san10_pair-pre-seed0")
    text = printed(capsys, tmp_path / "runs", write_definition(tmp_path))
    new, old = rows(text)
    rng = np.random.default_rng(1)
    for cell, place in ((new[3], 0), (new[4], 1)):
        drawn = rng.integers(4, size=(20_000, 4))
        right, sizes = np.array([own[place] for own in RIGHT]), np.array(SIZES)
        found = 100 * right[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
        assert bounds(cell) == pytest.approx(np.quantile(found, [0.025, 0.975]), abs=1.5)
    assert "[" not in old[3] + old[4]
    assert "95 % bootstrap interval" in text
    assert len(new) == len(old) == 5, "nothing is remarked on: what an older record does not count is no difference"


def test_of_two_seeds_the_mean_s(tmp_path):
    other = tuple((top1 + 1 if top1 < 4 else top1, top5) for top1, top5 in RIGHT)
    folders = [leave(tmp_path, f"a-seed{seed}", counts(own), seed=seed) for seed, own in enumerate((RIGHT, other))]
    low, high = class_interval([read_run(folder) for folder in folders], "val/top1")
    alone = [class_interval([read_run(folder)], "val/top1") for folder in folders]
    assert alone[0][0] < low < alone[1][0]
    assert high > low
    folders.append(leave(tmp_path, "a-seed2", seed=2))
    assert class_interval([read_run(folder) for folder in folders], "val/top1") == (None, None)


def test_kept_results_have_the_same_interval(tmp_path):
    folder = leave(tmp_path / "runs", "resnet26-pre-seed0", counts())
    main(["keep", str(folder), "--into", str(tmp_path / "kept")])
    kept = tmp_path / "kept/resnet26-pre-seed0"
    found = [class_interval([read_run(each)], "val/top5") for each in (folder, kept)]
    assert found[0] == found[1] != (None, None)
    assert '"class 3": {"samples": 4, "top1": 1, "top5": 1}' in (kept / "metrics.json").read_text(), "a class a line"


class TestGroups:
    columns = [  # noqa: RUF012 - never changed
        {"key": "seen_map", "heading": "mAP seen", "score": "test/seen_map"},
        {"key": "unseen_map", "heading": "mAP unseen", "score": "test/unseen_map"},
    ]

    def run(self, tmp_path, groups):
        said = per_class(0.2, 0.4, 0.7, 0.9, 0.8)
        details = {"test": said if groups is None else {**said, "groups": groups}}
        means = {"map": 0.6, "seen_map": 0.3, "unseen_map": 0.8}
        return write_run(
            tmp_path / "runs", "resnet26-pre-seed0", "retrieval", scores=means, **{"test.details": details}
        )

    def test_their_classes_are_drawn(self, tmp_path, capsys):
        names = [f"class {i}" for i in range(5)]
        run = self.run(tmp_path, {"seen": names[:2], "unseen": names[2:]})
        text = printed(capsys, run, write_definition(tmp_path, columns=self.columns, rows=["resnet26-pre"]))
        ((*_, seen, unseen),) = rows(text)
        assert (seen, unseen) == ("30.00 [20.00, 40.00]", "80.00 [70.00, 90.00]")

    @pytest.mark.parametrize(
        "groups", [None, {}, [], {"seen": 3}, {"seen": ["class 0"]}, {"seen": [["class 0"], None, "no class"]}]
    )
    def test_without_them_there_is_none(self, tmp_path, groups):
        run = read_run(self.run(tmp_path, groups))
        assert class_interval([run], "test/seen_map") == (None, None)
        assert class_interval([run], "test/map") != (None, None)


@pytest.mark.parametrize(
    "own", [{"samples": 0, "top1": 0}, {"samples": 3, "top1": 4}, {"samples": True, "top1": 1}, {"samples": 3}, 7]
)
def test_damaged_counts_give_none(own, tmp_path):
    folder = leave(tmp_path, "a-seed0", {"val": {"samples": 6, "per_class": {"a": own, "b": own}}})
    assert json.loads((folder / "metrics.json").read_text())["validate"]["details"]
    assert class_interval([read_run(folder)], "val/top1") == (None, None)
