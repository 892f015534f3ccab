"""One run looked at closely: its classes, what it confuses, and what it finds."""

import json
import math
import re
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

from hybrid_sbir.cli import main
from hybrid_sbir.figures.by_class import ByClass, read_by_class
from hybrid_sbir.figures.class_rows import Row, arranged, draw_rows, short
from hybrid_sbir.figures.classes import classes
from hybrid_sbir.figures.confused import Pair, read_confused
from hybrid_sbir.figures.confusions import confusions, draw_pairs
from hybrid_sbir.figures.found import found, spread
from hybrid_sbir.figures.found_grid import RIGHT, WRONG, GridRow, Shown, draw_grid
from hybrid_sbir.results.retrieval_run import RetrievalRun
from tests.figures.figure_runs import leave_run
from tests.results.retrieval_runs import arrays, leave_retrieval
from tests.results.test_gallery import leave_run as leave_predictions


def by_class(values, groups=None, name="run"):
    counts = dict.fromkeys(values, 4)
    return ByClass(name, "AP", "test", values, counts, groups or {"": sorted(values)}, ())


def leave_scored(folder, seen=(0.5, 0.3), unseen=(0.2,), **changes):
    """A retrieval run with each class's AP, and the map of classes that it was tested with."""
    names = [f"class_{n}" for n in range(len(seen) + len(unseen))]
    per_class = {name: {"queries": 4, "map": value} for name, value in zip(names, (*seen, *unseen), strict=True)}
    own = {"test": {"per_class": per_class}, "val": {"per_class": {"trained": {"queries": 2, "map": 0.1}}}}
    mapped = {name: "trained" if place < len(seen) else None for place, name in enumerate(names)}
    sections = {
        "test": {
            "test/map": 0.3,
            "test/seen_map": float(np.mean(seen)),
            "test/unseen_map": float(np.mean(unseen)),
            "details": {"test": own["test"]},
        },
        "validate": {"val/map": 0.1, "details": {"val": own["val"]}},
    }
    run = leave_run(folder, [0.1], "val/map", **{**sections, **changes})
    (folder / "map.json").write_text(json.dumps(mapped))
    record = json.loads((folder / "metrics.json").read_text())
    record["config"]["data"]["init_args"]["test_class_map"] = str(folder / "map.json")
    (folder / "metrics.json").write_text(json.dumps(record))
    return run


def texts(axes):
    return [label.get_text() for axis in axes for label in axis.get_yticklabels()]


# ---- classes ----


def test_rows_are_the_classes_of_each_group_from_the_best_on():
    run = by_class({"a": 10.0, "b": 30.0, "c_d": math.nan, "e": 20.0}, {"seen": ["a", "b"], "unseen": ["c_d", "e"]})
    columns, left_out = arranged([run], "page")
    axes = draw_rows(Figure(), columns, ["run"], "AP, %")
    assert texts(axes) == ["seen, 2 classes", "b", "a", "unseen, 2 classes", "e", "c d"]
    line = axes[0].get_lines()[0]
    assert line.get_ydata().tolist() == [1, 2, 4, 5]
    assert np.asarray(line.get_xdata())[:3].tolist() == [30, 10, 20]
    assert left_out == 0


def test_two_runs_are_sorted_by_the_first_and_told_apart():
    first, second = by_class({"a": 10.0, "b": 30.0}), by_class({"a": 50.0, "b": 40.0}, name="other")
    columns, _ = arranged([first, second], "column")
    axis = draw_rows(Figure(), columns, ["run", "other"], "AP, %")[0]
    one, two = axis.get_lines()
    assert (one.get_xdata().tolist(), two.get_xdata().tolist()) == ([30, 10], [40, 50])
    assert one.get_marker() != two.get_marker()
    assert one.get_markerfacecolor() != two.get_markerfacecolor()


def test_very_many_classes_fit_on_a_page_and_the_rest_is_counted():
    values = {f"class {n:04}": float(n % 97) for n in range(1000)}
    columns, left_out = arranged([by_class(values)], "page")
    shown = [row for rows in columns for row in rows if not row.heading]
    assert len(shown) + left_out == 1000
    assert left_out > 500
    assert max(len(rows) for rows in columns) <= 68
    assert shown[0].values == (96.0,)
    assert shown[-1].values == (0.0,)
    assert any(row.text == f"… {left_out} between …" for rows in columns for row in rows)


def test_a_column_within_a_group_says_so():
    values = {f"{n:02}": float(n) for n in range(60)}
    columns, _ = arranged([by_class(values, {"seen": sorted(values)})], "page")
    assert [rows[0].text for rows in columns] == ["seen, 60 classes", "seen, continued", "seen, continued"]


def test_a_single_class_and_a_score_of_nothing_are_drawn():
    columns, _ = arranged([by_class({"only": 0.0})], "page")
    axis = draw_rows(Figure(), columns, ["run"], "AP, %")[0]
    assert axis.get_xlim()[1] > 0
    assert columns == [[Row("only", (0.0,), False)]]


def test_seen_and_unseen_are_told_by_the_map_of_the_run_if_the_means_agree(tmp_path):
    run = read_by_class(leave_scored(tmp_path / "agree-seed0"), None)
    assert run.groups == {"seen": ["class_0", "class_1"], "unseen": ["class_2"]}
    assert (run.mean("seen"), run.mean("unseen")) == pytest.approx((40, 20))
    wrong = {"test": {"test/seen_map": 0.1, "test/unseen_map": 0.2}}
    record = json.loads((tmp_path / "agree-seed0" / "metrics.json").read_text())
    record["test"] |= wrong["test"]
    (tmp_path / "agree-seed0" / "metrics.json").write_text(json.dumps(record))
    assert list(read_by_class(tmp_path / "agree-seed0", None).groups) == [""]


def test_held_out_classes_of_validation_are_unseen(tmp_path):
    details = {name: {"per_class": {name: {"queries": 1, "map": 0.5}}} for name in ("val", "val_unseen")}
    run = leave_run(tmp_path / "r-seed0", [0.1], "val/map", validate={"val/map": 0.1, "details": details})
    assert read_by_class(run, "val").groups == {"seen": ["val"], "unseen": ["val_unseen"]}


def test_embeddings_are_ranked_where_there_is_no_record(tmp_path):
    run = read_by_class(leave_retrieval(tmp_path / "run", record=False), None)
    means = RetrievalRun.read(tmp_path / "run").ranked(("ap",)).per_class()
    assert run.values == pytest.approx({name: 100 * means[n]["ap"] for n, name in enumerate(("cat", "<dog>", "owl"))})
    assert run.groups == {"seen": ["<dog>", "cat"], "unseen": ["owl"]}


def test_accuracy_of_each_class_is_counted(tmp_path):
    run = leave_predictions(tmp_path / "run")
    with np.load(run / "predictions.npz") as archive:
        right = archive["probabilities"].argmax(1) == archive["label"]
        expected = {str(name): 100 * right[archive["label"] == n].mean() for n, name in enumerate(archive["classes"])}
    said = read_by_class(run, None)
    assert said.values == pytest.approx(expected)
    assert said.measure == "accuracy"


def test_the_command_draws_two_runs_twice_alike_and_says_their_means(tmp_path, capsys):
    runs = [str(leave_scored(tmp_path / "a-seed0")), str(leave_scored(tmp_path / "b-seed0", seen=(0.9, 0.1)))]
    contents = []
    for turn in ("one", "two"):
        out = tmp_path / turn / "classes.png"
        main(["figure", "classes", *runs, "--out", str(out)])
        contents.append([out.with_suffix(ending).read_bytes() for ending in (".svg", ".png", ".caption.md")])
    assert contents[0] == contents[1]
    said = capsys.readouterr().out
    assert "a-seed0 (test): seen mAP 40.0 (2), unseen mAP 20.0 (1)" in said
    assert "b-seed0 (test): seen mAP 50.0 (2)" in said
    assert "b-seed0 is better in 1 of 3 classes" in contents[0][2].decode()


def test_runs_of_other_classes_or_too_many_are_refused(tmp_path):
    runs = [leave_scored(tmp_path / "a-seed0"), leave_scored(tmp_path / "b-seed0", seen=(0.5,))]
    with pytest.raises(ValueError, match=r"not in both: class_2\); compare runs of the same evaluation"):
        classes(runs, tmp_path / "f.svg")
    with pytest.raises(ValueError, match="one run or two; got 3"):
        classes([*runs, runs[0]], tmp_path / "f.svg")
    with pytest.raises(ValueError, match="has no evaluation 'nothing'; it has test, val"):
        classes(runs[:1], tmp_path / "f.svg", "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"empty has no predictions\.npz"):
        classes([tmp_path / "empty"], tmp_path / "f.svg")


def test_long_names_are_cut():
    assert short("a_b") == "a b"
    assert len(short("x" * 60)) == 24


# ---- confusions ----


def test_bars_are_the_counts_of_the_predictions(tmp_path):
    run = leave_predictions(tmp_path / "run")
    said = read_confused(run, 5)
    with np.load(run / "predictions.npz") as archive:
        names = [str(name) for name in archive["classes"]]
        mistakes = [
            (names[a], names[b])
            for a, b in zip(archive["label"], archive["probabilities"].argmax(1), strict=True)
            if a != b
        ]
    for pair in said.pairs:
        assert pair.count == mistakes.count((pair.true, pair.said))
        assert pair.total == 2
    assert said.wrong == len(mistakes)
    assert said.others == len(set(mistakes)) - 5
    axis = draw_pairs(Figure(), said.pairs, said.of, "page")
    assert [bar.get_width() for bar in axis.patches] == pytest.approx([pair.share for pair in said.pairs])
    assert [text.get_text() for text in axis.texts] == [f"{pair.count} of 2" for pair in said.pairs]
    assert texts([axis])[0] == f"{said.pairs[0].true} → {said.pairs[0].said}"


def test_no_tick_says_more_than_all_samples():
    axis = draw_pairs(Figure(), (Pair("cat", "cup", 9, 9), Pair("cup", "cat", 1, 9)), "samples", "column")
    assert axis.get_xlim()[1] > 100
    assert max(axis.get_xticks()) == 100


def test_of_a_retrieval_the_first_ten_places_are_counted(tmp_path):
    run, own = leave_retrieval(tmp_path / "run"), arrays()
    said = read_confused(run, 50)
    asked, photos = own["query_embedding"], own["catalogue_embedding"]
    cosines = asked @ photos.T / np.linalg.norm(photos, axis=1)
    first = own["catalogue_label"][np.argsort(-cosines, axis=1)[:, :10]]
    names = list(own["classes"])
    for pair in said.pairs:
        rows = own["query_label"] == names.index(pair.true)
        assert pair.count == (first[rows] == names.index(pair.said)).sum()
        assert pair.total == 30
    assert said.wrong == (first != own["query_label"][:, None]).sum()


def test_the_command_draws_confusions_and_refuses_none(tmp_path, capsys):
    run = leave_predictions(tmp_path / "run")
    main(["figure", "confusions", str(run), "--out", str(tmp_path / "f.svg"), "--pairs", "3", "--width", "column"])
    assert re.search(r"\d+ of 12 samples are of another class", capsys.readouterr().out)
    perfect = np.eye(6, dtype=np.float32)[np.arange(12) % 6]
    with pytest.raises(ValueError, match="none of 12 samples is wrong"):
        confusions(leave_predictions(tmp_path / "perfect", probabilities=perfect), tmp_path / "f.svg")
    with pytest.raises(ValueError, match="--pairs 0: from 1 to 50"):
        confusions(run, tmp_path / "f.svg", pairs=0)
    with pytest.raises(FileNotFoundError, match=r"no predictions\.npz"):
        confusions(tmp_path, tmp_path / "f.svg")
    (run / "predictions.npz").write_bytes(b"")
    with pytest.raises(ValueError, match="damaged"):
        confusions(run, tmp_path / "f.svg")


def test_one_pair_is_a_figure_too():
    axis = draw_pairs(Figure(), [Pair("a", "b", 1, 4)], "samples", "page")
    assert axis.patches[0].get_width() == 25


# ---- what is found ----


def test_queries_are_spread_from_the_best_to_the_worst():
    scores = np.array([0.2, 0.9, np.nan, 0.1, 0.5, 0.7])
    assert spread(scores, 3) == [1, 4, 3]
    assert spread(scores, 9) == [1, 5, 4, 0, 3]
    assert spread(scores, 1) == [4]
    assert spread(np.array([np.nan]), 3) == []


def test_the_grid_shows_the_photos_in_order_with_frame_and_sign(tmp_path):
    image = np.full((4, 4, 3), 7, np.uint8)
    photos = (Shown(image, "cat", True), Shown(None, "big_dog", False))
    row = GridRow(Shown(image, "cat", True), ("cat", "seen"), 41.66, photos, "q")
    sketch, right, wrong = draw_grid(Figure(), [row], 2, "page")[0]
    assert [text.get_text() for text in sketch.texts] == ["cat", "seen", "AP 41.7"]
    assert [text.get_text() for text in right.texts] == [RIGHT]
    assert [text.get_text() for text in wrong.texts] == ["no picture", f"{WRONG} big dog"]
    assert np.asarray(right.images[0].get_array()).tolist() == image.tolist()
    assert not wrong.images
    frames = [
        {(one.get_edgecolor(), str(one.get_linestyle())) for one in cell.spines.values()} for cell in (right, wrong)
    ]
    assert [len(frame) for frame in frames] == [1, 1]
    (colour, dash), (other_colour, other_dash) = (*frames[0], *frames[1])
    assert colour != other_colour
    assert dash != other_dash


def test_the_command_draws_what_was_found_twice_alike(tmp_path, capsys):
    run = leave_retrieval(tmp_path / "run")
    contents = []
    for turn in ("one", "two"):
        out = tmp_path / turn / "found.svg"
        main(["figure", "found", str(run), "--out", str(out), "--queries", "3", "--photos", "4"])
        contents.append([out.with_suffix(ending).read_bytes() for ending in (".svg", ".png", ".caption.md")])
    assert contents[0] == contents[1]
    ap = RetrievalRun.read(run).ranked(("ap",))["ap"].numpy()
    best, worst = 100 * ap[[0, 4, 8]].max(), 100 * ap[[0, 4, 8]].min()
    words = re.findall(r"AP (\d+\.\d), (\d) of 4 right", contents[0][2].decode())
    assert float(words[0][0]) == pytest.approx(best, abs=0.051)
    assert float(words[-1][0]) == pytest.approx(worst, abs=0.051)
    assert "3 of the 3 queries with pictures" in capsys.readouterr().out


def test_numbers_that_do_not_fit_and_runs_without_pictures_are_refused(tmp_path):
    run = leave_retrieval(tmp_path / "run")
    for options in ({"queries": 0}, {"queries": 10}, {"photos": 11}, {"photos": 6, "width": "column"}):
        with pytest.raises(ValueError, match=r"1 to 9 of 1 to (10|5) fit on a"):
            found(run, tmp_path / "f.svg", **options)
    none = {"shown": np.zeros(0, int), "first": np.zeros((0, 10), int)}
    with pytest.raises(ValueError, match=r"has no picture of a query with a relevant photo"):
        found(leave_retrieval(tmp_path / "blind", **none), tmp_path / "f.svg")
    with pytest.raises(FileNotFoundError, match=r"no embeddings\.npz"):
        found(tmp_path, tmp_path / "f.svg")


# ---- all ----


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ValueError, match=r"pip install 'hybrid-sbir\[figures\]'"):
        confusions(leave_predictions(tmp_path / "run"), tmp_path / "f.svg")
    assert not list(tmp_path.glob("f.*"))


def test_figures_of_numbers_start_without_torch():
    modules = ("curves", "cost", "classes", "confusions", "found")
    code = "".join(f"import hybrid_sbir.figures.{name}\n" for name in modules)
    code += "import sys\nprint('torch' in sys.modules, 'matplotlib' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "False"]
