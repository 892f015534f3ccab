"""Scores against costs: the points, the front, labels that hide nothing, and what is said of rows that are missing."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from hybrid_sbir.cli import main
from hybrid_sbir.figures.boxes import Box, crosses, lead, through
from hybrid_sbir.figures.cost import cost
from hybrid_sbir.figures.cost_panels import draw_costs, floor, pareto
from hybrid_sbir.figures.cost_points import STYLES, Point
from hybrid_sbir.figures.costs import read_costs
from hybrid_sbir.figures.names import family, is_augmented, print_name, print_names
from hybrid_sbir.figures.placing import place
from hybrid_sbir.figures.scored import read_scores
from tests.figures.figure_runs import leave_run

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
MEASURED, THESIS = EXPERIMENTS / "table_3_1" / "cpu.json", EXPERIMENTS / "table_3_1" / "thesis.csv"
PUBLISHED = EXPERIMENTS / "table_4_1" / "thesis.csv"
AXES = [("gmacs", "GMACs"), ("parameters", "parameters"), ("ms", "ms")]


def points(only="*-post"):
    scores, costs = (
        read_scores([PUBLISHED], "top1", only),
        read_costs(THESIS, "infer", ""),
    )
    names = print_names([row.row for row in scores.rows])
    return [
        Point(names[row.row], family(row.row), is_augmented(row.row), row, costs.by_backbone[row.backbone])
        for row in scores.rows
    ]


def test_points_are_the_published_numbers_and_families_differ_by_marker_and_colour():
    figure, every = Figure(figsize=(6.7, 8), layout="constrained"), points()
    axes = draw_costs(figure, every, AXES, "top-1", "page")
    bottom = axes[0].get_ylim()[0]
    for axis, (attribute, _) in zip(axes, AXES, strict=True):
        drawn = [container.lines[0] for container in axis.containers]
        found = [(line.get_xdata()[0], line.get_ydata()[0]) for line in drawn]
        expected = [(getattr(p.cost, attribute), max(p.scored.mean, bottom)) for p in every]
        assert np.asarray(found) == pytest.approx(np.asarray(expected))
        assert [(line.get_color(), line.get_marker()) for line in drawn] == [STYLES[p.family] for p in every]
    assert (2.28, 77.52) in [(p.cost.gmacs, p.scored.mean) for p in every]
    assert len({colour for colour, _ in STYLES.values()}) == len({marker for _, marker in STYLES.values()}) == 4


def test_the_front_s_names_are_bold_and_a_far_point_says_its_score():
    axis = draw_costs(Figure(figsize=(6.7, 8), layout="constrained"), points(), AXES, "top-1", "page")[0]
    texts = {text.get_text(): text for text in axis.texts if text.get_text()}
    assert len(texts) == 17
    assert {name for name, text in texts.items() if text.get_fontweight() == "bold"} == {
        "HIB patch 2-2 (nl)",
        "ResNet26 (nl)",
    }
    assert "Pure NL: 20.6 ↓" in texts


@pytest.mark.parametrize(("width", "inches", "only"), [("page", 6.7, "*-post"), ("column", 3.3, "*-pre")])
def test_labels_hide_neither_one_another_nor_a_point(width, inches, only):
    every = points(only)
    axes = draw_costs(Figure(figsize=(inches, 9), layout="constrained"), every, AXES, "top-1", width)
    for axis in axes:
        extents = [text.get_window_extent() for text in axis.texts if text.get_text()]
        boxes = [Box(one.x0, one.y0, one.x1, one.y1) for one in extents]
        area = sum(a.overlap(b) for n, a in enumerate(boxes) for b in boxes[:n])
        assert area == 0
        for container in axis.containers:
            x, y = axis.transData.transform(container.lines[0].get_xydata()[0])
            assert not any(box.left < x < box.right and box.bottom < y < box.top for box in boxes)


def test_the_front_is_what_nothing_beats():
    assert pareto([1, 2, 3, 4], [5, 4, 7, 7]) == [0, 2]
    assert pareto([1, 1], [5, 6]) == [1]
    assert pareto([2], [0]) == [0]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12))
def test_every_point_off_the_front_is_beaten_by_one_on_it(pairs):
    costs, scores = zip(*pairs, strict=True)
    front = pareto(costs, scores)
    for number, (x, y) in enumerate(pairs):
        better = [n for n in front if costs[n] <= x and scores[n] >= y and pairs[n] != (x, y)]
        assert not (number in front and better)
        assert number in front or better or (x, y) in [pairs[n] for n in front]


def test_only_what_lies_far_below_is_set_on_the_edge():
    assert floor([70, 72, 75, 77, 78]) is None
    assert floor([20, 75]) is None
    assert 20 < floor([20, 75, 76, 77, 78, 76]) < 75


def test_places_keep_apart_even_where_points_coincide():
    boxes = place([(50, 50)] * 4, [(30, 8)] * 4, Box(0, 0, 200, 100), 6)
    assert sum(a.overlap(b) for n, a in enumerate(boxes) for b in boxes[:n]) == 0
    assert all(box.outside(Box(0, 0, 200, 100)) < 1e-6 for box in boxes)


def test_boxes_and_lines():
    box = Box(0, 0, 2, 2)
    assert box.overlap(Box(1, 1, 5, 5)) == 1
    assert box.overlap(Box(2, 0, 3, 1)) == 0
    assert box.outside(Box(0, 0, 2, 1)) == 2
    assert through(((-1, 1), (3, 1)), box)
    assert not through(((-1, 3), (3, 3)), box)
    assert not through(((3, 0), (3, 2)), box)
    assert crosses(((0, 0), (2, 2)), ((0, 2), (2, 0)))
    assert not crosses(((0, 0), (1, 1)), ((2, 0), (3, 1)))
    assert lead((5, 1), box) == ((5, 1), (2, 1))


@pytest.mark.parametrize(
    ("backbone", "name", "of"),
    [
        ("resnet26_nl", "ResNet26 (nl)", "convolutional"),
        ("san10_patch", "SAN10 patch", "attentional"),
        ("hib_pair_3_1_nl", "HIB pair 3-1 (nl)", "hybrid"),
        ("pure_nl", "Pure NL", "non-local"),
        ("hib_nl_2_2", "HIB NL 2-2", "non-local"),
        ("stage1/resnet26", "stage1/resnet26", "convolutional"),
    ],
)
def test_names_in_print(backbone, name, of):
    assert print_name(backbone) == name
    assert family(f"{backbone}-pre") == of


def test_names_say_what_differs_only():
    assert print_names(["resnet26-pre", "pure_nl-pre"]) == {"resnet26-pre": "ResNet26", "pure_nl-pre": "Pure NL"}
    rows = ["resnet26-pretrained-thesis", "resnet26-pretrained-modern"]
    assert list(print_names(rows).values()) == ["ResNet26, thesis", "ResNet26, modern"]


def test_runs_are_drawn_with_what_they_lack_said(tmp_path, capsys):
    for seed, top1 in enumerate((0.5, 0.7)):
        leave_run(tmp_path / "runs" / f"resnet26-pre-seed{seed}", [top1])
    leave_run(tmp_path / "runs" / "hib_patch_2_2-pre-seed0", [0.9], validate={"val/top1": 0.8})
    leave_run(tmp_path / "runs" / "mine-pre-seed0", [0.9])
    leave_run(tmp_path / "runs" / "san10_pair-pre-seed0", [None])
    contents = []
    for turn in ("one", "two"):
        out = tmp_path / turn / "cost.svg"
        main(["figure", "cost", str(tmp_path / "runs"), "--measured", str(MEASURED), "--out", str(out)])
        contents.append([out.with_suffix(ending).read_bytes() for ending in (".svg", ".png", ".caption.md")])
    assert contents[0] == contents[1]
    said = capsys.readouterr().out
    assert "seeds: HIB patch 2-2 1, mine" not in said
    assert re.search(r"seeds: HIB patch 2-2 1, ResNet26 2$", said, re.MULTILINE)
    assert "cost not measured, left out: mine-pre" in said
    assert "without val/top1: san10_pair-pre" in said
    assert "width 0.25 instead of 1, 64 x 64 pixels instead of 128 x 128" in said
    caption = contents[0][2].decode()
    assert "By GMACs an image: HIB patch 2-2 80.0." in caption
    assert "ResNet26 60.0" in caption


def test_the_later_stage_is_the_result(tmp_path):
    for part, value in (("stage2", 0.1), ("stage3", 0.3)):
        name = f"resnet26-pretrained-modern-seed0/{part}"
        leave_run(tmp_path / name, [0.9], "val/map", name, test={"test/map": value})
    assert read_scores([tmp_path], None, "*").rows[0].mean == pytest.approx(30)


def test_published_gaps_are_said(tmp_path):
    (tmp_path / "t.csv").write_text("row,map\nresnet26-pre,11.0\npure_nl-pre,\n")
    scores = read_scores([tmp_path / "t.csv"], None, "*")
    assert [(row.row, row.mean) for row in scores.rows] == [("resnet26-pre", 11.0)]
    assert scores.notes == ("without a published number: pure_nl-pre",)


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ("has no column 'top9'; --score can be top1, top5", {"score": "top9"}),
        ("no row matches 'nothing'; there are resnet26-post", {"only": "nothing"}),
        (
            "give runs or tables of published numbers, not both",
            {"runs": [PUBLISHED, Path()]},
        ),
        ("must have rows of one setting in float64", {"dtype": "float64", "measured": MEASURED}),
        ("no table of costs to draw", {"measured": PUBLISHED}),
    ],
)
def test_what_cannot_be_drawn_is_refused(tmp_path, words, options):
    given = {
        "runs": [PUBLISHED],
        "measured": THESIS,
        "out": tmp_path / "f.svg",
        **options,
    }
    with pytest.raises(ValueError, match=re.escape(words)):
        cost(**given)
    assert not list(tmp_path.iterdir())


def test_damaged_costs_are_refused(tmp_path):
    for number, content in enumerate(("", "{}", "[1]", json.dumps([{"job": {}}]))):
        (tmp_path / f"{number}.json").write_text(content)
        with pytest.raises(ValueError, match="no table of costs to draw"):
            read_costs(tmp_path / f"{number}.json", "infer", "float32")
