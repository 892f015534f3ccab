"""Tables in Markdown, CSV and LaTeX, against what was written by hand; all made by the verb, from runs' files."""

import csv
import re

import pytest

from hybrid_sbir.cli import main
from hybrid_sbir.results.table import USES_CATALOGUE
from tests.results.run_records import per_class, rows, write_definition, write_run

REFERENCE = "row,top1,top5\nresnet26-pre,77.45,92.86\nsan10_pair-pre,72.80,\n"


def made(tmp_path, *runs, capsys=None, **definition):
    """The three files of a table of runs; its definition with changes."""
    out = tmp_path / "out" / "table.md"
    table = write_definition(tmp_path, **definition)
    main(["report", *map(str, runs), "--table", str(table), "--out", str(out)])
    assert sorted(path.name for path in out.parent.iterdir()) == ["table.csv", "table.md", "table.tex"]
    return [out.with_suffix(suffix).read_text() for suffix in (".md", ".csv", ".tex")]


@pytest.fixture
def two_seeds(tmp_path):
    """A row of two seeds, top-1 60 and 70, one of a single run, and so a third of three that was not run."""
    for seed, top1 in enumerate((0.6, 0.7)):
        write_run(tmp_path / "runs", f"resnet26-pre-seed{seed}", seed=seed, scores={"top1": top1, "top5": 0.9})
    write_run(tmp_path / "runs", "san10_pair-pre-seed0", scores={"top1": 0.5, "top5": 0.95})
    return tmp_path / "runs"


ROWS = ["resnet26-pre", "san10_pair-pre", "pure_nl-pre"]


def test_markdown_as_written_by_hand(tmp_path, two_seeds, capsys):
    text, _, _ = made(tmp_path, two_seeds, rows=ROWS, reference=REFERENCE, notes=["Said of it."])
    assert text == (
        "**A table**\n"
        "\n"
        "| backbone | activation | n | top-1 | top-1 thesis | difference | top-5 | top-5 thesis | difference |\n"
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        "| resnet26 | pre | 2 | **65.00 ± 7.07** | 77.45 | \u221212.45 | 90.00 ± 0.00 | 92.86 | \u22122.86 |\n"
        "| san10_pair | pre | 1 | 50.00 | 72.80 | \u221222.80 | **95.00** | - |  |\n"
        "| pure_nl | pre | not run |  | - |  |  | - |  |\n"
        "\n"
        "- Percent; mean ± standard deviation over n seeds.\n"
        "- Bold: the best of the rows that may be compared.\n"
        "- Said of it.\n"
    )
    assert capsys.readouterr().out == text


def test_csv_as_written_by_hand(tmp_path, two_seeds):
    _, text, _ = made(tmp_path, two_seeds, rows=ROWS, reference=REFERENCE)
    assert text == (
        "backbone,activation,n,top1,top1_deviation,top1_n,top1_low,top1_high,top1_thesis,top1_difference,"
        "top5,top5_deviation,top5_n,top5_low,top5_high,top5_thesis,top5_difference,remarks\n"
        "resnet26,pre,2,65.0000,7.0711,2,,,77.45,-12.4500,90.0000,0.0000,2,,,92.86,-2.8600,\n"
        "san10_pair,pre,1,50.0000,,1,,,72.80,-22.8000,95.0000,,1,,,,,\n"
        "pure_nl,pre,not run,,,0,,,,,,,0,,,,,\n"
    )


def test_latex_as_written_by_hand(tmp_path, two_seeds):
    title = r"100 % of R&D_1: {a} #2 ~ ^ $x$ \now"
    _, _, text = made(tmp_path, two_seeds, rows=ROWS, reference=REFERENCE, title=title)
    assert text == "\n".join(
        [
            r"% \usepackage{booktabs}",
            r"\begin{table}",
            r"\centering",
            r"\caption{100 \% of R\&D\_1: \{a\} \#2 \textasciitilde{} \textasciicircum{} \$x\$ \textbackslash{}now}",
            r"\begin{tabular}{llrrrrrrr}",
            r"\toprule",
            r"backbone & activation & $n$ & top-1 & top-1 thesis & difference & top-5 & top-5 thesis & difference \\",
            r"\midrule",
            r"resnet26 & pre & 2 & \textbf{65.00 $\pm$ 7.07} & 77.45 & $-$12.45 & "
            r"90.00 $\pm$ 0.00 & 92.86 & $-$2.86 \\",
            r"san10\_pair & pre & 1 & 50.00 & 72.80 & $-$22.80 & \textbf{95.00} & - &  \\",
            r"pure\_nl & pre & not run &  & - &  &  & - &  \\",
            r"\bottomrule",
            r"\end{tabular}",
            r"\par\smallskip",
            r"\begin{minipage}{\linewidth}\footnotesize",
            r"Percent; mean $\pm$ standard deviation over n seeds.\par",
            r"Bold: the best of the rows that may be compared.\par",
            r"\end{minipage}",
            r"\end{table}",
            "",
        ]
    )


def test_latex_has_as_many_cells_in_every_row_as_columns(tmp_path, two_seeds):
    """Of a wide table, with a remark; and every brace and environment is closed."""
    write_run(tmp_path / "runs", "hib_nl_2_2-pre-seed0", **{"data.fingerprint": "bbbb"})
    columns = [{"key": f"k{i}", "heading": f"top-{i} & _", "score": "val/top1"} for i in range(6)]
    *_, text = made(tmp_path, two_seeds, rows=[*ROWS, "hib_nl_2_2-pre"], columns=columns)
    specification = re.search(r"\\begin\{tabular\}\{([lr]+)\}", text)[1]
    lines = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {len(re.findall(r"(?<!\\)&", line)) for line in lines} == {len(specification) - 1}
    assert len(lines) == 1 + 4
    plain = re.sub(r"\\[{}%&_#$]", "", text)
    assert plain.count("{") == plain.count("}")
    assert re.findall(r"\\begin\{(\w+)\}", text) == ["table", "tabular", "minipage"]
    assert re.findall(r"\\end\{(\w+)\}", text) == ["tabular", "minipage", "table"]
    wide = [{"key": f"k{i}", "heading": str(i), "score": "val/top1"} for i in range(12)]
    *_, text = made(tmp_path, two_seeds, columns=wide)
    assert r"\usepackage{booktabs,graphicx}" in text
    assert text.count(r"\resizebox{\linewidth}{!}{%") == text.count("\\end{tabular}}") == 1


def test_a_bar_or_a_break_in_a_name_ends_no_cell(tmp_path):
    write_run(tmp_path / "runs", "a|b\nc", **{"config.model.init_args.backbone": "resnet26"})
    main(["report", str(tmp_path / "runs"), "--out", str(tmp_path / "out.md")])
    assert rows((tmp_path / "out.md").read_text().replace(r"\|", "/"))[0][:3] == ["a/b c", "resnet26", "pre"]


class TestBold:
    def test_equal_numbers_are_equally_bold(self, tmp_path, two_seeds):
        write_run(tmp_path / "runs", "pure_nl-pre-seed0", scores={"top1": 0.65, "top5": 0.1})
        text, _, _ = made(tmp_path, two_seeds, rows=ROWS)
        assert [row[3] for row in rows(text)] == ["**65.00 ± 7.07**", "50.00", "**65.00**"]

    def test_of_a_single_row_none_is_best(self, tmp_path):
        text, _, _ = made(tmp_path, write_run(tmp_path, "resnet26-pre-seed0"))
        assert "**50" not in text
        assert "Bold" not in text

    def test_a_row_that_cannot_be_compared_is_not_best(self, tmp_path, two_seeds):
        better = {"top1": 0.9, "top5": 0.99}
        write_run(tmp_path / "runs", "pure_nl-pre-seed0", scores=better, **{"data.fingerprint": "bbbb"})
        text, _, _ = made(tmp_path, two_seeds, rows=ROWS)
        assert [row[3] for row in rows(text)] == ["**65.00 ± 7.07**", "50.00", "90.00"]


COLUMNS = [
    {"key": "map", "heading": "mAP", "score": "test/map"},
    {"key": "mrr", "heading": "mRR", "score": "test/mrr"},
    {"key": "reranked", "heading": "re-ranked", "score": "test_reranked/map"},
]


class TestRetrieval:
    def run(self, tmp_path, name, seed=0, means=(0.1, 0.2, 0.6), **changes):
        changes = {"test.details": {"test": per_class(*means)}, "test.test_reranked/map": 0.35, **changes}
        scores = {"map": sum(means) / len(means), "mrr": 0.4, "p10": 0.5}
        return write_run(tmp_path / "runs", name, "retrieval", seed=seed, scores=scores, **changes)

    def test_the_interval_stands_beside_the_mean_and_in_columns_of_its_own(self, tmp_path):
        self.run(tmp_path, "resnet26-pre-seed0")
        text, table, _ = made(tmp_path, tmp_path / "runs", columns=COLUMNS)
        assert rows(text)[0][3:] == ["30.00 [10.00, 60.00]", "40.00", "35.00"]  # of three classes 1/27 are all the last
        first = next(csv.DictReader(table.splitlines()))
        assert (first["map_low"], first["map_high"], first["mrr_low"]) == ("10.0000", "60.0000", "")
        assert "95 % bootstrap interval" in text

    def test_a_column_may_do_without(self, tmp_path):
        self.run(tmp_path, "resnet26-pre-seed0")
        text, _, _ = made(tmp_path, tmp_path / "runs", columns=[{**COLUMNS[0], "interval": False}])
        assert rows(text)[0][3:] == ["30.00"]
        assert "bootstrap" not in text

    def test_what_uses_the_catalogue_is_marked_and_said(self, tmp_path):
        from hybrid_sbir.retrieval import USES_CATALOGUE as WORDS

        self.run(tmp_path, "resnet26-pre-seed0")
        text, _, _ = made(tmp_path, tmp_path / "runs", columns=COLUMNS)
        assert "| mAP | mRR | re-ranked* |" in text
        assert f"- {USES_CATALOGUE}" in text
        assert WORDS in USES_CATALOGUE
        assert WORDS not in made(tmp_path, tmp_path / "runs", columns=COLUMNS[:2])[0]

    def test_a_line_a_stage_and_columns_of_other_runs(self, tmp_path):
        for stage, top in (("stage2", 0.3), ("stage3", 0.6)):
            for seed in (0, 1):
                self.run(tmp_path, f"resnet26-scratch-modern-seed{seed}/{stage}", seed=seed, means=(0.1, top, 0.2))
        write_run(tmp_path / "runs", "stage1/resnet26-sketch")
        columns = [{"key": "sketch", "heading": "sketch", "score": "val/top1", "run": "stage1/{backbone}-{of}"}]
        text, _, _ = made(
            tmp_path,
            tmp_path / "runs",
            names="{backbone}-{start}-{recipe}",
            run="{row}-seed{seed}/{part}",
            parts=["stage2", "stage3"],
            rows=["resnet26-scratch-modern", "resnet26-scratch-thesis"],
            columns=columns + COLUMNS[:1],
            derived={"of": {"recipe": {"modern": "sketch"}}},
            labels={"recipe": {"modern": "the modern one"}, "part": {"stage2": "pairs"}},
        )
        assert rows(text) == [
            ["resnet26", "scratch", "the modern one", "pairs", "2", "", "20.00 ± 0.00 [10.00, 30.00]"],
            ["resnet26", "scratch", "the modern one", "stage3", "2", "50.00", "**30.00 ± 0.00** [10.00, 60.00]"],
            ["resnet26", "scratch", "thesis", "pairs", "not run", "", ""],
            ["resnet26", "scratch", "thesis", "stage3", "not run", "", ""],
        ]

    def test_a_section_that_a_column_asks_for_counts_only(self, tmp_path):
        self.run(tmp_path, "resnet26-pre-seed0", **{"best": {"val/map": 0.4}, "validate": {"val/map": 0.3}})
        self.run(tmp_path, "resnet26-pre-seed1", seed=1, **{"best": {"val/map": 0.4}})
        columns = [*COLUMNS[:1], {"key": "v", "heading": "v", "score": "val/map", "section": "validate"}]
        text, _, _ = made(tmp_path, tmp_path / "runs", columns=columns)
        assert rows(text)[0][2:5] == ["2", "30.00 ± 0.00 [10.00, 60.00]", "30.00 (n = 1)"]

    def test_published_numbers_that_cannot_be_compared_are_rows_of_their_own(self, tmp_path):
        self.run(tmp_path, "resnet26-pre-seed0")
        reference = "row,map,mrr\nresnet26-pre,11.0,24.1\nSomebody's model,41.1,\n"
        columns = COLUMNS[:2]
        text, table, _ = made(tmp_path, tmp_path / "runs", columns=columns, reference=reference, published="rows")
        assert rows(text)[2:] == [
            ["resnet26", "pre", "published", "11.0", "24.1"],
            ["Somebody's model", "", "published", "41.1", ""],
        ]
        assert "difference" not in text
        assert [row["map"] for row in csv.DictReader(table.splitlines())] == ["30.0000", "", "11.0", "41.1"]


def test_a_row_without_its_main_score_says_so(tmp_path):
    write_run(tmp_path / "runs", "resnet26-pre-seed0", "retrieval", **{"test": None, "best": {"val/map": 0.1}})
    write_run(tmp_path / "runs", "san10_pair-pre-seed0", "retrieval", **{"test": None})
    columns = [{"key": "map", "heading": "mAP", "score": "test/map"}]
    text, _, _ = made(tmp_path, tmp_path / "runs", columns=columns)
    assert [row[2:] for row in rows(text)] == [["no score yet", ""], ["not run", ""]]
    assert f"Left out: {tmp_path}/runs/san10_pair-pre-seed0/metrics.json: no score yet" in text


def test_rows_that_are_not_listed_come_last_and_others_are_named(tmp_path, two_seeds):
    write_run(tmp_path / "runs", "botnet50-pre-seed0")
    write_run(tmp_path / "runs", "something else")
    text, _, _ = made(tmp_path, two_seeds)
    assert [row[0] for row in rows(text)] == ["resnet26", "san10_pair", "botnet50"]
    assert "Left out: no rows of this table: something else\n" in text
    text, _, _ = made(tmp_path, two_seeds, others=["hib_*"])
    assert [row[0] for row in rows(text)] == ["resnet26", "san10_pair"]


def test_a_second_result_of_a_seed_does_not_count(tmp_path, two_seeds):
    write_run(tmp_path / "again", "san10_pair-pre-seed0", scores={"top1": 0.9, "top5": 0.9}, **{"data.classes": 9})
    text, _, _ = made(tmp_path, two_seeds, tmp_path / "again")
    assert rows(text)[1][2:4] == ["1", "50.00"]
    assert "a second result of seed 0 of san10_pair-pre, after" in text


def test_a_file_is_written_whole_or_not_at_all(tmp_path, two_seeds, capsys):
    table = write_definition(tmp_path)
    with pytest.raises(SystemExit):
        main(["report", str(two_seeds), "--table", str(table), "--out", str(tmp_path / "table.txt")])
    assert "name a file that ends in .md" in capsys.readouterr().err
    assert not (tmp_path / "table.txt").exists()
