"""The tables that stand in experiments/: rows, numbers and columns are the thesis's, and kept results fill them."""

import csv
import re
from pathlib import Path

import pytest
import yaml

from hybrid_sbir.models import list_backbones
from hybrid_sbir.results.definition import read_definition
from hybrid_sbir.results.records import read_runs
from hybrid_sbir.results.report import report
from tests.results.run_records import rows

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
DEFINITIONS = sorted(EXPERIMENTS.glob("table_4_*/*.yaml"))
DEFINITIONS = [path for path in DEFINITIONS if path.name in ("table.yaml", "ablation.yaml")]
TABLES = {number: EXPERIMENTS / f"table_4_{number}" for number in (1, 2, 3, 4)}
# The thesis's names of its 17 variants, in its order, and ours.
VARIANTS = {
    "Resnet26": "resnet26",
    "Resnet26 (nl)": "resnet26_nl",
    "SAN10 pairwise": "san10_pair",
    "San10 pairwise (nl)": "san10_pair_nl",
    "SAN10 patchwise": "san10_patch",
    "SAN10 patchwise (nl)": "san10_patch_nl",
    "HIB pair 2-2": "hib_pair_2_2",
    "HIB pair 2-2 (nl)": "hib_pair_2_2_nl",
    "HIB patch 2-2": "hib_patch_2_2",
    "HIB patch 2-2 (nl)": "hib_patch_2_2_nl",
    "HIB pair 3-1": "hib_pair_3_1",
    "HIB pair 3-1 (nl)": "hib_pair_3_1_nl",
    "HIB patch 3-1": "hib_patch_3_1",
    "HIB patch 3-1 (nl)": "hib_patch_3_1_nl",
    "Pure NL": "pure_nl",
    "HIB NL 2-2": "hib_nl_2_2",
    "HIB NL 3-1": "hib_nl_3_1",
}
MEASURES = {1: 2, 2: 2, 3: 3}  # columns a setup


def reference(number):
    """Row -> the numbers as they stand, without the empty ones."""
    with (TABLES[number] / "thesis.csv").open(newline="") as file:
        return {row.pop("row"): {key: value for key, value in row.items() if value} for row in csv.DictReader(file)}


def printed(text, number):
    """The numbers of a table as the thesis's text has them: variant -> those of setup 1, then of setup 2."""
    end = text.index(f"\nTabla 4.{number}: ")
    start = text.rindex("Setup (1) PostAct", 0, end)
    found = {}
    for line in text[start:end].splitlines():
        for name in sorted(VARIANTS, key=len, reverse=True):
            rest = line.removeprefix(name)
            if rest != line and re.fullmatch(r"( \d+\.\d+)+", rest):
                found[name] = rest.split()
                break
    return found


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_numbers_are_those_of_the_thesis_s_text(shared, number):
    text = (shared / "thesis" / "thesis_es.txt").read_text()
    expected = printed(text, number)
    assert list(expected) == list(VARIANTS), "read from the text"
    own, several = reference(number), MEASURES[number]
    for name, numbers in expected.items():
        post, pre = (list(own[f"{VARIANTS[name]}-{setup}"].values()) for setup in ("post", "pre"))
        assert (post, pre) == (numbers[:several], numbers[several:]), name


def test_the_numbers_of_table_4_4_are_those_of_the_thesis_s_text(shared):
    text = (shared / "thesis" / "thesis_es.txt").read_text()
    lines = text[text.index("Pre-train Stage 1 Stage 2-3") : text.index("\nTabla 4.4: ")].splitlines()
    names = {
        "ResNet26": "resnet26-pretrained-thesis",
        "HIB patch 2-2 (nl)": "hib_patch_2_2_nl-pretrained-thesis",
        "Original SAN10 pairwise": "SAN10 pairwise (Zhao et al., 100 epochs)",
        "Original SAN10 patchwise": "SAN10 patchwise (Zhao et al., 100 epochs)",
        "SANet paper ResNet26": "ResNet26 (Zhao et al., 100 epochs)",
        "Tu Bui [27] InceptionV1": "InceptionV1 (Bui et al.)",
        "Fuentes [32] SE ResNext50": "SE-ResNeXt50 (Fuentes)",
    }
    own = reference(4)
    assert list(own) == list(names.values())
    for name, row in names.items():
        line = next(line for line in lines if re.match(re.escape(name) + r" \d", line))
        assert [number.strip("*") for number in line.removeprefix(name).split()] == list(own[row].values()), name
    assert list(own["InceptionV1 (Bui et al.)"]) == ["imagenet_top1", "map"]
    assert list(own["SE-ResNeXt50 (Fuentes)"]) == ["map"]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_all_variants_in_both_orders_are_rows(number):
    expected = [f"{name}-{setup}" for name in VARIANTS.values() for setup in ("post", "pre")]
    assert read_definition(TABLES[number] / "table.yaml").rows == expected == list(reference(number))
    assert set(VARIANTS.values()) <= set(list_backbones())


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_tables_are_what_their_files_say(path):
    """Each definition is read, and its regime is of settings that configurations have."""
    definition = read_definition(path)
    assert definition.title.startswith(f"Table {path.parent.name[-3:].replace('_', '.')}")
    known = {f"trainer.{name}" for name in ("max_epochs", "limit_train_batches", "precision")}
    known |= {"classes", "test.queries", "test.catalogue", "model.init_args.width"}
    known |= {f"data.init_args.{name}" for name in ("size", "batch_size")}
    known |= {f"model.init_args.{name}" for name in ("stem", "lr_scheduler", "label_smoothing")}
    known |= {f"model.init_args.optimizer.{name}" for name in ("class_path", "init_args.lr")}
    assert {name.removeprefix("origin.") for name in definition.regime} <= known


def test_the_ablation_s_rows_are_the_switches():
    definition = read_definition(TABLES[4] / "ablation.yaml")
    files = sorted({path.name.split(".")[0] for path in (TABLES[4] / "switches").glob("*.yaml")})
    numbers = [name.partition("_")[0] for name in files]
    assert [row.rsplit("-")[-1] for row in definition.rows] == ["thesis", *numbers[:-1], "modern"]
    assert definition.label("recipe", "01") == "01 shared part initialised"
    assert definition.label("recipe", "modern") == "modern"


class TestKept:
    """Results in experiments/ are read as runs are, without a complaint, and the tables beside them are theirs."""

    FOLDERS = sorted({path.parent for path in EXPERIMENTS.glob("table_4_*/*/table.md")})

    def test_there_are_some(self):
        assert {folder.parent.name for folder in self.FOLDERS} >= {"table_4_1", "table_4_4"}

    @pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.relative_to(EXPERIMENTS).as_posix())
    def test_all_are_finished_and_none_is_damaged(self, folder):
        runs, problems = read_runs([folder])
        assert runs
        assert not problems
        assert all(run.finished and run.scores for run in runs)
        for run in runs:
            assert not re.search(r'"/\w', (run.folder / "metrics.json").read_text()), "a path of some machine"

    @pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.relative_to(EXPERIMENTS).as_posix())
    @pytest.mark.parametrize("name", ["table", "ablation"])
    def test_the_table_is_made_of_them(self, folder, name, tmp_path):
        if not (folder.parent / f"{name}.yaml").exists():
            pytest.skip(f"{folder.parent.name} has no {name}")
        text = report([folder], folder.parent / f"{name}.yaml", out=tmp_path / f"{name}.md")
        again = (
            f"make it again: hybrid-sbir report {folder} --table {folder.parent / name}.yaml --out {folder / name}.md"
        )
        for suffix in ("md", "csv", "tex"):
            assert (folder / f"{name}.{suffix}").read_text() == (tmp_path / f"{name}.{suffix}").read_text(), again
        assert [row for row in rows(text) if "not run" not in row]


def test_a_quick_run_says_what_was_cut():
    text = report([TABLES[1] / "quick"], TABLES[1] / "table.yaml")
    cut = yaml.safe_load((TABLES[1] / "quick.yaml").read_text())
    assert "against the thesis's regime: cut: " in text
    assert f"{cut['data']['init_args']['size']} of 224 pixels a side" in text
