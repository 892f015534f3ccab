"""Tables that check themselves: what cannot be compared is marked and said; what was cut is said. By the verb."""

import json

import pytest

from hybrid_sbir.results.class_intervals import class_interval
from hybrid_sbir.results.records import read_run
from hybrid_sbir.results.report import report
from tests.results.run_records import per_class, rows, write_definition, write_run

NAMES = ("resnet26", "san10_pair", "hib_nl_2_2")
ROWS = [f"{name}-pre" for name in NAMES]


def write_row(tmp_path, name, kind="classification", **changes):
    return write_run(tmp_path / "runs", f"{name}-pre-seed0", kind, **changes)


def table(tmp_path, **definition):
    definition = {"rows": ROWS, **definition}
    return report([tmp_path / "runs"], write_definition(tmp_path, **definition))


def marks(text):
    """The last cell of each row, where there are marks at all."""
    marked = "| remarks |" in text
    return [row[-1] if marked else "" for row in rows(text)]


class TestMarks:
    def test_alike_rows_have_none(self, tmp_path):
        for name in NAMES:
            write_row(tmp_path, name)
        assert marks(table(tmp_path)) == ["", "", ""]

    @pytest.mark.parametrize(
        ("path", "value", "said"),
        [
            ("data.fingerprint", "bbbb", "other data: fingerprint bbbb (neighbours: aaaa)"),
            (
                "config.model.init_args.label_smoothing",
                0.3,
                "trained otherwise: model.init_args.label_smoothing 0.3 (neighbours: not set)",
            ),
            ("config.trainer.max_epochs", 9, "trained otherwise: trainer.max_epochs 9 (neighbours: 3)"),
            ("format", 2, "top-1 is measured otherwise: record's format 2 (neighbours: 1)"),
            (
                "versions.hybrid-sbir",
                "0.2.0",
                "top-1 is measured otherwise: version of hybrid-sbir 0.2.0 (neighbours: 0.1.0)",
            ),
            ("finished", False, "not at its end: san10_pair-pre-seed0, stopped after 3 of 3 epochs"),
        ],
    )
    def test_a_row_unlike_its_neighbours_is_marked_and_explained(self, tmp_path, path, value, said):
        for name in NAMES:
            write_row(tmp_path, name, **({path: value} if name == "san10_pair" else {}))
        text = table(tmp_path)
        assert marks(text)[0] == marks(text)[2] == ""
        assert marks(text)[1].startswith("[1]")
        assert f"- [1] {said}.\n" in text

    @pytest.mark.parametrize(
        ("details", "said"),
        [
            ({"queries": 20, "catalogue": 99}, "catalogue 99 (neighbours: 50)"),
            (per_class(0.1, 0.3, queries=5) | {"queries": 20}, "evaluated classes 2 ("),
            ({**per_class(0.1, 0.3), "definition": "VOC"}, "definition VOC (neighbours: not set)"),
        ],
    )
    def test_another_measure_is_marked(self, tmp_path, details, said):
        for name in NAMES:
            own = details if name == "hib_nl_2_2" else per_class(0.1, 0.3)
            write_row(tmp_path, name, "retrieval", **{"test.details": {"test": own}})
        text = table(tmp_path, columns=[{"key": "map", "heading": "mAP", "score": "test/map"}])
        assert marks(text) == ["", "", "[1]"]
        assert "[1] mAP is measured otherwise: " in text
        assert said in text

    def test_a_number_of_training_beside_evaluated_ones_is_marked(self, tmp_path):
        for name in NAMES:
            trained = {"validate": None, "best": {"val/top1": 0.4, "val/top5": 0.5}}
            write_row(tmp_path, name, **(trained if name == "resnet26" else {}))
        text = table(tmp_path)
        assert marks(text) == ["[1] [2]", "", ""]
        assert "top-1 is measured otherwise: scored by training, its best epoch (neighbours: validate)" in text

    def test_seeds_of_a_row_must_agree_too(self, tmp_path):
        for seed in range(3):
            changes = {"data.fingerprint": "bbbb"} if seed == 2 else {}
            write_run(tmp_path / "runs", f"resnet26-pre-seed{seed}", seed=seed, **changes)
        assert marks(table(tmp_path)) == ["[1]", "", ""]

    def test_rows_share_a_remark_s_number(self, tmp_path):
        for name in NAMES:
            write_row(tmp_path, name, **({"data.fingerprint": "bbbb"} if name != "resnet26" else {}))
        write_run(tmp_path / "runs", "resnet26-pre-seed1", seed=1)
        write_run(tmp_path / "runs", "resnet26-pre-seed2", seed=2)
        assert marks(table(tmp_path)) == ["", "[1]", "[1]"]

    def test_rows_are_compared_within_the_parts_that_must_be_alike(self, tmp_path):
        """A row a recipe trains otherwise by design; its twin of the same recipe must not."""
        trained = {"thesis": 35, "modern": 4}
        for backbone, recipe in (("a", "thesis"), ("b", "thesis"), ("a", "modern"), ("b", "modern")):
            changes = {"config.trainer.max_epochs": trained[recipe], "data.fingerprint": recipe}
            write_run(tmp_path / "runs", f"{backbone}-{recipe}-seed0", **changes)
        definition = {"names": "{backbone}-{recipe}", "rows": ["a-thesis", "b-thesis", "a-modern", "b-modern"]}
        assert marks(table(tmp_path, **definition)) == ["", "", "[1] [2]", "[1] [2]"]
        alike = {"settings": ["recipe"], "data": ["recipe"]}
        assert marks(table(tmp_path, **definition, alike=alike)) == [""] * 4
        record = tmp_path / "runs" / "b-modern-seed0" / "metrics.json"
        record.write_text(record.read_text().replace('"max_epochs": 4', '"max_epochs": 5'))
        assert marks(table(tmp_path, **definition, alike=alike)) == ["", "", "", "[1]"]

    def test_a_classifier_trained_otherwise_marks_its_retrieval(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for name in NAMES:
            epochs = {"epochs": 1} if name == "hib_nl_2_2" else {}
            write_run(tmp_path / "runs/table-4.2/quick", f"{name}-pre-seed0", **epochs)
            write_run(tmp_path / "unimodal", f"{name}-pre-seed0", "unimodal")
        columns = [{"key": "map", "heading": "mAP", "score": "test/map"}]
        text = report([tmp_path / "unimodal"], write_definition(tmp_path, rows=ROWS, columns=columns))
        assert marks(text) == ["", "", "[1]"]
        assert "origin.epochs 1 (neighbours: 3)" in text


REGIME = {
    "trainer.max_epochs": {"pre": 50, "post": 40},
    "data.init_args.size": 224,
    "data.init_args.batch_size": 64,
    "classes": 250,
    "model.init_args.width": 1.0,
    "model.init_args.stem": "imagenet",
    "model.init_args.no_such_setting": 1,
}


class TestRegime:
    def test_what_was_cut_is_said_once_where_all_rows_share_it(self, tmp_path):
        for name in NAMES[:2]:
            write_row(tmp_path, name)
        text = table(tmp_path, regime=REGIME)
        assert marks(text) == ["", "", ""]
        assert (
            "- All rows, against the thesis's regime: cut: 3 of 50 epochs, 64 of 224 pixels a side, 50 of 250 classes, "
            "0.25 of the width; other: stem small instead of imagenet.\n"
        ) in text

    def test_the_full_regime_is_not_cut(self, tmp_path):
        full = {"config.trainer.max_epochs": 50, "config.data.init_args.size": 224, "data.classes": 250}
        full |= {"config.model.init_args.width": 1.0, "config.model.init_args.stem": "imagenet"}
        write_row(tmp_path, "resnet26", **full)
        assert "regime" not in table(tmp_path, regime=REGIME)

    def test_what_one_row_has_less_of_is_said_of_it_alone_and_it_may_still_be_best(self, tmp_path):
        names = ("a-pre", "b-post")
        for name, epochs, top1 in zip(names, (50, 4), (0.5, 0.6), strict=True):
            changes = {"config.trainer.max_epochs": epochs}
            write_run(tmp_path / "runs", f"{name}-seed0", scores={"top1": top1, "top5": 0.9}, **changes)
        text = table(tmp_path, rows=names, regime=REGIME, alike={"settings": ["activation"]})
        assert marks(text) == ["", "[1]"]
        assert "- [1] against the thesis's regime: cut: 4 of 40 epochs.\n" in text
        assert rows(text)[1][3] == "**60.00**"

    def test_more_than_the_thesis_is_other_not_cut(self, tmp_path):
        write_row(tmp_path, "resnet26", **{"config.trainer.max_epochs": 90})
        assert "other: epochs 90 instead of 50" in table(tmp_path, regime=REGIME)

    def test_a_limit_is_a_cut_and_no_limit_is_none(self, tmp_path):
        regime = {"trainer.limit_train_batches": "all"}
        write_row(tmp_path, "resnet26", **{"config.trainer.limit_train_batches": 80})
        assert "regime: cut: 80 instead of all batches an epoch.\n" in table(tmp_path, regime=regime)
        write_row(tmp_path / "other", "resnet26")
        assert "regime" not in table(tmp_path / "other", regime=regime)

    def test_a_batch_is_that_of_all_processes(self, tmp_path):
        """Two GPUs share the thesis's batch of 64."""
        changes = {"config.data.init_args.batch_size": 32, "config.trainer.devices": 2}
        write_row(tmp_path, "resnet26", device={"processes": 2}, **changes)
        assert "regime" not in table(tmp_path, regime={"data.init_args.batch_size": 64})
        assert "cut: 64 of 128 samples a batch" in table(tmp_path, regime={"data.init_args.batch_size": 128})

    def test_of_an_evaluation_and_of_the_classifier_it_started_from(self, tmp_path):
        origin = {"data": {"classes": 30}, "config": {"trainer": {"max_epochs": 4}}}
        write_row(tmp_path, "resnet26", "unimodal", origin=origin, **{"test.details": {"test": per_class(0.1, 0.3)}})
        regime = {"test.queries": 2250, "origin.classes": 300, "origin.trainer.max_epochs": 50}
        columns = [{"key": "map", "heading": "mAP", "score": "test/map"}]
        text = table(tmp_path, regime=regime, columns=columns)
        assert "cut: 20 of 2250 queries, 30 of 300 classes, 4 of 50 epochs" in text


class TestIntervals:
    def test_are_those_of_the_metrics_to_the_last_bit(self, tmp_path):
        """From each class's mean and size, as from every query's value."""
        import torch

        from hybrid_sbir.metrics import RankingValues, bootstrap_interval

        torch.manual_seed(0)
        labels = torch.arange(120) % 11 * (torch.arange(120) % 3 > 0)  # classes of different sizes
        values = torch.rand(120, dtype=torch.float64).mul(64).round().div(64)  # sums without rounding
        none = torch.zeros(120, dtype=torch.int64)
        found = RankingValues({"ap": values}, labels, none, none, none.bool(), 50, "cosine", "mean")
        sizes = labels.bincount(minlength=11).tolist()
        details = {
            str(label): {"queries": sizes[label], "map": means["ap"]} for label, means in found.per_class().items()
        }
        run = read_run(write_row(tmp_path, "a", "retrieval", **{"test.details": {"test": {"per_class": details}}}))
        expected = bootstrap_interval(found, "ap", resample="classes")
        assert class_interval([run], "test/map") == pytest.approx((100 * expected.low, 100 * expected.high), rel=1e-12)

    def test_of_several_seeds_are_of_the_mean_over_them(self, tmp_path):
        runs = [
            read_run(write_row(tmp_path / str(i), "a", "retrieval", **{"test.details": {"test": per_class(*means)}}))
            for i, means in enumerate([(0.1, 0.3, 0.5), (0.3, 0.5, 0.7), (0.2, 0.4, 0.6)])
        ]
        assert class_interval(runs[:2], "test/map") == class_interval(runs[2:], "test/map")

    @pytest.mark.parametrize(
        "details", [None, {}, {"per_class": [1]}, per_class(0.1), {"per_class": {"a": 1, "b": {}}}]
    )
    def test_without_two_classes_there_is_none(self, tmp_path, details):
        run = read_run(write_row(tmp_path, "a", "retrieval", **{"test.details": {"test": details}}))
        assert class_interval([run], "test/map") == (None, None)

    def test_runs_over_other_classes_have_none_together(self, tmp_path):
        runs = [
            read_run(write_row(tmp_path / str(i), "a", "retrieval", **{"test.details": {"test": per_class(*means)}}))
            for i, means in enumerate([(0.1, 0.3), (0.1, 0.3, 0.5)])
        ]
        assert class_interval(runs, "test/map") == (None, None)


class TestDefinitions:
    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"colums": []}, "no such field: colums; there are alike, columns,"),
            ({"columns": [{"key": "a"}]}, "not the definition of a table (TypeError"),
            ({"rows": ["resnet26"]}, "rows resnet26 are not made as names says: {backbone}-{activation}"),
            ({"published": "below"}, "published is below; it can be beside, rows"),
            ({"rows": 3}, "not the definition of a table (TypeError"),
        ],
    )
    def test_one_that_cannot_be_used_is_refused_in_words(self, tmp_path, changes, said):
        run = write_row(tmp_path, "resnet26")
        with pytest.raises(ValueError, match=r"table\.yaml") as refused:
            report([run], write_definition(tmp_path, **changes))
        assert said in str(refused.value)

    @pytest.mark.parametrize(
        ("reference", "said"),
        [
            ("row,top1\nresnet26-pre,much\n", "could not convert string to float: 'much'"),
            ("row,top9\nresnet26-pre,1\n", "columns top9; the table has row, top1, top5"),
            ("row,top1\nresnet50-pre,1\n", "rows resnet50-pre are none of the table's"),
            ("row,top1\nresnet26-pre,1\nresnet26-pre,2\n", "a row is there twice"),
            ("top1\n1\n", "KeyError: 'row'"),
        ],
    )
    def test_published_numbers_that_do_not_fit_are_refused_in_words(self, tmp_path, reference, said):
        run = write_row(tmp_path, "resnet26")
        with pytest.raises(ValueError, match=r"thesis\.csv") as refused:
            report([run], write_definition(tmp_path, reference=reference))
        assert said in str(refused.value)

    def test_a_missing_file_of_published_numbers_is_named(self, tmp_path):
        path = write_definition(tmp_path, reference="row,top1\n")
        (tmp_path / "thesis.csv").unlink()
        with pytest.raises(
            ValueError, match=r"thesis\.csv: not a table of row,top1,top5 in percent \(FileNotFoundError"
        ):
            report([write_row(tmp_path, "resnet26")], path)

    def test_yaml_that_is_none_is_refused(self, tmp_path):
        (tmp_path / "table.yaml").write_text("title: [")
        with pytest.raises(ValueError, match="not the definition of a table"):
            report([write_row(tmp_path, "resnet26")], tmp_path / "table.yaml")

    def test_a_definition_names_its_own_reference(self, tmp_path):
        path = write_definition(tmp_path)
        with pytest.raises(ValueError, match="give table or reference"):
            report([write_row(tmp_path, "resnet26")], path, reference=path)


def test_what_a_run_lacks_is_no_difference_to_null(tmp_path):
    """A setting that a later version adds, and leaves at nothing, tells no runs apart."""
    write_row(tmp_path, "resnet26")
    run = write_row(tmp_path, "san10_pair")
    record = json.loads((run / "metrics.json").read_text())
    record["config"]["model"]["init_args"]["init_from"] = None
    (run / "metrics.json").write_text(json.dumps(record))
    assert marks(table(tmp_path)) == ["", "", ""]
