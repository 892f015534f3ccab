"""Curves: what is drawn is what was recorded; what is missing is named; the files are the same every time."""

import math
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from hybrid_sbir.cli import main
from hybrid_sbir.figures.curves import curves
from hybrid_sbir.figures.definition import Panel, arranged, read_definition
from hybrid_sbir.figures.panels import draw_curves
from hybrid_sbir.figures.paper import REFERENCE, STROKES
from hybrid_sbir.figures.series import gather
from hybrid_sbir.results.records import read_runs
from tests.figures.figure_runs import leave_run

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


def drawn(folder, rows, score="val/top1", reference=None):
    """The axes of one panel, and the notes."""
    runs, _ = read_runs([folder])
    series, notes = gather(runs, score)
    axes = draw_curves(Figure(), [Panel("", tuple(rows), score, "y")], {score: series}, reference, 1)
    return axes[0], notes


def lines(axis):
    return {line.get_label(): line for line in axis.get_lines() if not line.get_label().startswith("_")}


def test_what_is_drawn_is_what_was_recorded(tmp_path):
    leave_run(tmp_path / "resnet26-pre-seed0", [0.1, 0.25, 0.4])
    leave_run(tmp_path / "hib_patch_2_2-pre-seed0", [0.2, 0.5, 0.6])
    axis, notes = drawn(tmp_path, ["resnet26-pre", "hib_patch_2_2-pre"])
    found = lines(axis)
    assert list(found) == ["ResNet26", "HIB patch 2-2"]
    assert found["ResNet26"].get_xdata().tolist() == [1, 2, 3]
    assert found["ResNet26"].get_ydata() == pytest.approx([10, 25, 40])
    assert found["HIB patch 2-2"].get_ydata() == pytest.approx([20, 50, 60])
    assert axis.get_ylim() == pytest.approx((0, 63))
    assert notes == []


def test_seeds_are_a_mean_with_their_range(tmp_path):
    for seed, values in enumerate(([0.1, 0.2], [0.3, 0.2], [0.2, 0.8])):
        leave_run(tmp_path / f"resnet26-pre-seed{seed}", values)
    axis, _ = drawn(tmp_path, ["resnet26-pre"])
    line = lines(axis)["ResNet26, 3 seeds"]
    assert line.get_ydata() == pytest.approx([20, 40])
    corners = axis.collections[0].get_paths()[0].vertices
    for epoch, low, high in ((1, 10, 30), (2, 20, 80)):
        own = corners[corners[:, 0] == epoch, 1]
        assert (own.min(), own.max()) == pytest.approx((low, high))


def test_a_shorter_seed_is_named_and_left_out_of_the_mean(tmp_path):
    leave_run(tmp_path / "resnet26-pre-seed0", [0.1, 0.2, 0.3])
    leave_run(tmp_path / "resnet26-pre-seed1", [0.5], finished=False)
    axis, notes = drawn(tmp_path, ["resnet26-pre"])
    assert lines(axis)["ResNet26"].get_ydata() == pytest.approx([10, 20, 30])
    assert "resnet26-pre-seed1 has 1 of 4 epochs so far" in notes
    assert "resnet26-pre, seed 1: 1 epochs, 3 of others; not in the mean" in notes


def test_one_epoch_is_a_marker_and_a_gap_is_named(tmp_path):
    leave_run(tmp_path / "resnet26-pre-seed0", [0.5])
    leave_run(tmp_path / "san10_pair-pre-seed0", [0.1, math.nan, None, 0.4])
    axis, notes = drawn(tmp_path, ["san10_pair-pre"], reference="resnet26-pre")
    one = lines(axis)["ResNet26 (reference)"]
    assert one.get_marker() == "o"
    assert one.get_ydata() == pytest.approx([50])
    values = np.asarray(lines(axis)["SAN10 pair"].get_ydata())
    assert np.isnan(values).tolist() == [False, True, True, False]
    assert "san10_pair-pre, seed 0: no value in epoch 2, 3" in notes


def test_stages_are_joined_and_their_border_is_drawn(tmp_path):
    for part, values in (("stage2", [0.1, 0.2]), ("stage3", [0.3])):
        run = tmp_path / "resnet26-pretrained-thesis-seed0" / part
        leave_run(run, values, "val/map", f"resnet26-pretrained-thesis-seed0/{part}")
    leave_run(
        tmp_path / "resnet26-scratch-thesis-seed0" / "stage2", [0.1], "val/map", "resnet26-scratch-thesis-seed0/stage2"
    )
    axis, notes = drawn(tmp_path, ["resnet26-pretrained-thesis", "resnet26-scratch-thesis"], "val/map")
    assert lines(axis)["ResNet26, pretrained"].get_ydata() == pytest.approx([10, 20, 30])
    borders = [line.get_xdata()[0] for line in axis.get_lines() if line.get_label().startswith("_")]
    assert borders == [2.5]
    assert "resnet26-scratch-thesis, seed 0: without stage3" in notes


def test_the_reference_is_in_every_panel_and_a_row_keeps_its_stroke(tmp_path):
    for row in ("resnet26", "san10_pair", "hib_pair_2_2_nl"):
        leave_run(tmp_path / f"{row}-pre-seed0", [0.1, 0.2])
    series, _ = gather(read_runs([tmp_path])[0], "val/top1")
    panels = [
        Panel("a", ("san10_pair-pre",), "val/top1", "y"),
        Panel("b", ("gone-pre", "hib_pair_2_2_nl-pre"), "val/top1", "y"),
    ]
    first, second = draw_curves(Figure(), panels, {"val/top1": series}, "resnet26-pre", 2)
    for axis in (first, second):
        assert lines(axis)["ResNet26 (reference)"].get_color() == REFERENCE.colour
    assert lines(second)["HIB pair 2-2 (nl)"].get_color() == STROKES[1].colour
    assert first.get_ylim() == second.get_ylim()


def test_every_stroke_has_its_own_colour_dash_or_marker():
    assert len({stroke.colour for stroke in STROKES}) == len({stroke.marker for stroke in STROKES}) == len(STROKES)
    assert len({stroke.dash for stroke in STROKES}) == len(STROKES)


def test_the_command_writes_the_same_bytes_twice_and_names_what_is_missing(tmp_path, capsys):
    leave_run(tmp_path / "runs" / "resnet26-pre-seed0", [0.1, 0.5])
    leave_run(tmp_path / "runs" / "hib_patch_2_2-pre-seed3", [0.2, 0.6])
    (tmp_path / "runs" / "san10_pair-pre-seed0").mkdir()
    (tmp_path / "runs" / "san10_pair-pre-seed0" / "metrics.json").write_text("{")
    contents = []
    for turn in ("first", "second"):
        definition = EXPERIMENTS / "figures" / "figure_4_2.yaml"
        out = tmp_path / turn / "figure.pdf"
        main(["figure", "curves", str(tmp_path / "runs"), "--definition", str(definition), "--out", str(out)])
        contents.append([out.with_suffix(ending).read_bytes() for ending in (".pdf", ".svg", ".png", ".caption.md")])
    assert contents[0] == contents[1]
    said = capsys.readouterr().out
    caption = contents[0][3].decode()
    for words in (
        "the reference san10_patch-pre was not run; resnet26-pre is repeated instead",
        "not run (Non-local): hib_nl_2_2-pre, hib_nl_3_1-pre",
        "san10_pair-pre-seed0/metrics.json: damaged",
        "2 epochs, width 0.25, stem small, 64 x 64 pixels, 50 classes",
        "the thesis: 100 epochs",
    ):
        assert words in said
        assert words in caption
    assert "resnet26-pre 50.0 (1), hib_patch_2_2-pre 60.0 (1)" in caption


def test_the_svg_speaks_and_the_png_has_200_dots_an_inch(tmp_path):
    run = leave_run(tmp_path / "resnet26-pre-seed0", [0.1, 0.5])
    curves([run], tmp_path / "a & b.svg", title="Tom & Jerry")
    text = (tmp_path / "a & b.svg").read_text()
    tree = ET.fromstring(text)
    space = "{http://www.w3.org/2000/svg}"
    assert tree.get("role") == "img"
    assert tree.find(f"{space}title").text == "Tom & Jerry"
    assert "resnet26-pre 50.0 (1)" in tree.find(f"{space}desc").text
    assert tree.get("aria-labelledby").split() == [tree.find(f"{space}{name}").get("id") for name in ("title", "desc")]
    assert not re.search(r"\d{4}-\d\d-\d\dT", text)
    assert "font-family" not in text
    with Image.open(tmp_path / "a & b.png") as picture:
        assert picture.info["dpi"] == pytest.approx((200, 200), abs=0.1)
        assert picture.width == pytest.approx(170 / 25.4 * 200, abs=2)
        assert picture.info["Title"] == "Tom & Jerry"


def test_a_column_is_narrower(tmp_path):
    run = leave_run(tmp_path / "resnet26-pre-seed0", [0.1, 0.5])
    main(["figure", "curves", str(run), "--width", "column", "--out", str(tmp_path / "f.png")])
    with Image.open(tmp_path / "f.png") as picture:
        assert picture.width == pytest.approx(84 / 25.4 * 200, abs=2)


def test_an_older_figure_is_replaced_only_by_a_whole_one(tmp_path):
    run = leave_run(tmp_path / "resnet26-pre-seed0", [0.1, 0.5])
    out = tmp_path / "f.svg"
    curves([run], out)
    before = out.read_bytes()
    empty = leave_run(tmp_path / "hib_pair_2_2-pre-seed0", [None])
    with pytest.raises(ValueError, match="no run has val/top1 in its epochs"):
        curves([empty], out)
    assert out.read_bytes() == before
    assert sorted(path.name for path in tmp_path.glob("*.*")) == ["f.caption.md", "f.png", "f.svg"]


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ("a figure's name ends in .svg, .png, .pdf", {"out": "f.jpg"}),
        ("no run has val/nothing in its epochs; --score can be val/top1", {"score": "val/nothing"}),
        ("a figure is as wide as a page or a column; got 'poster'", {"width": "poster"}),
    ],
)
def test_what_cannot_be_drawn_is_refused(tmp_path, words, options):
    run = leave_run(tmp_path / "resnet26-pre-seed0", [0.1])
    with pytest.raises(ValueError, match=re.escape(words)):
        curves([run], **{"out": tmp_path / "f.svg", **options})


def test_nothing_run_is_an_error_in_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["figure", "curves", str(tmp_path / "none"), "--out", str(tmp_path / "f.svg")])
    assert "none/metrics.json: not there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "got list; title, score, panels are needed"),
        ("title: a\nscore: s\npanels: [{title: b}]", "title, rows are needed"),
        ("title: a\nscore: s\npanels: []\ncolour: red", "allowed"),
        ("title: a\nscore: s\npanels: [{title: b, rows: [a, b, c, d, e, f, g]}]", "has 7 rows; 6 are told apart"),
        ("title: [", "no definition of a figure"),
    ],
)
def test_a_wrong_definition_is_refused(tmp_path, text, words):
    (tmp_path / "d.yaml").write_text(text)
    with pytest.raises(ValueError, match=re.escape(words)):
        read_definition(tmp_path / "d.yaml")


def test_many_rows_are_shared_out_by_family():
    rows = [f"hib_pair_2_2-{n:02}" for n in range(13)] + ["resnet26-00"]
    plan = arranged(rows, "val/map", (), None)
    assert [(panel.title, len(panel.rows)) for panel in plan.panels] == [
        ("Convolutional", 1),
        ("Hybrid (1 of 3)", 5),
        ("Hybrid (2 of 3)", 5),
        ("Hybrid (3 of 3)", 3),
    ]
    assert sorted(row for panel in plan.panels for row in panel.rows) == sorted(rows)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_the_thesis_s_figures_show_every_variant_once(number):
    plan = read_definition(EXPERIMENTS / "figures" / f"figure_4_{number}.yaml")
    rows = [row for panel in plan.panels for row in panel.rows]
    activation = "post" if number in (1, 3) else "pre"
    assert len(rows) == len(set(rows)) == (17 if activation == "post" else 16)
    assert {row.rpartition("-")[2] for row in (*rows, *plan.reference)} == {activation}
    assert plan.reference[0] in rows
