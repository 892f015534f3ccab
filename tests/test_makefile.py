"""The Makefile's targets plan what they should, and the files and verbs that README and Makefile name exist."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hybrid_sbir.cli.verbs import VERBS
from tests import experiment_files as files

ROOT = Path(__file__).parents[1]
# In the order in which make reads them, which is the help's.
INCLUDED = [*re.findall(r"^include (\S+\.mk)$", (ROOT / "Makefile").read_text(), re.MULTILINE)]
RULES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "experiments").glob("*/rules.mk"))
MAKEFILES = ["Makefile", *dict.fromkeys([*INCLUDED, *RULES])]
MAKEFILE = "\n".join((ROOT / name).read_text() for name in MAKEFILES)
README = (ROOT / "README.md").read_text()
TARGETS = re.findall(r"^([a-z0-9.-]+):.*## ", MAKEFILE, re.MULTILINE)

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")


def make(*words):
    """Run make as from a shell, also where the tests themselves were started by a make."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(["make", *words], cwd=ROOT, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def plan(*words):
    return make("-n", *words)


@pytest.mark.parametrize("target", [name for name in TARGETS if not name.startswith("figure")])  # see tests/figures
def test_every_target_has_a_plan(target):
    assert plan(target, "VENV=nowhere").strip()


def test_the_help_lists_every_target():
    assert [line.split()[0] for line in make("help").splitlines()] == TARGETS


def test_the_demo_ends_with_two_stages_of_retrieval():
    steps = plan("demo", "VENV=nowhere")
    assert re.findall(r" fit .*--config experiments/recipes/demo.yaml.*--name (\S+)", steps) == ["stage2", "stage3"]
    assert re.findall(r" test --config demo/(\S+)/config.yaml", steps) == ["stage2", "stage3"]


def test_the_demo_ends_with_an_index_to_draw_in():
    steps = plan("demo", "VENV=nowhere")
    found = re.search(r" index --model demo/stage3 --photos (\S+) --out (\S+)", steps)
    assert f" data draw --out {found[1]} " in steps[: found.start()]
    assert f"serve --index {found[2]} " in steps[found.end() :]
    assert f" serve --index {found[2]} --port 8000" in plan("serve-demo", "VENV=nowhere")


def test_an_archive_is_prepared_first(tmp_path):
    archive = tmp_path / "sketches_png.zip"
    archive.touch()
    for data in (archive, tmp_path):
        steps = plan("data-tu-berlin", "VENV=nowhere", f"DATA={data}", f"TU_BERLIN={tmp_path}/data/x", "ROOT=R")
        assert f"data prepare tu_berlin --archive {archive} --root R" in steps
        assert "data download" not in steps
    assert "data download tu_berlin" in plan("data-tu-berlin", "VENV=nowhere", f"TU_BERLIN={tmp_path}/x")


@pytest.mark.parametrize("text", [README, MAKEFILE], ids=["README", "Makefile"])
def test_what_is_named_exists(text):
    files = set(re.findall(r"experiments/[\w/.-]+\.(?:yaml|csv|py|json|png)", text))
    assert files
    assert not [file for file in files if not (ROOT / file).exists()]
    verbs = re.findall(r"(?:hybrid-sbir|\$\(RUN\)) ((?:data )?[a-z]+)", text)
    assert verbs
    assert not [verb for verb in verbs if not any(name == verb or name.startswith(f"{verb} ") for name in VERBS)]


def test_help_is_one_page():
    assert all(len(line) < 160 for line in make("help").splitlines())


class TestTable44:
    """Retrieval of photos for sketches: rows of runs that stand on one another, and the ablation."""

    SWITCHES = sorted(path.name for path in (ROOT / "experiments/table_4_4/switches").glob("*.yaml"))

    @pytest.fixture
    def planned(self, tmp_path):
        """Command lines of a plan, in order."""
        return lambda *words: files.plan(*words, data=files.archives(tmp_path), runs="RUNS")

    def fits(self, lines):
        """Words of each training by the run's name, in order."""
        return {words[words.index("--name") + 1]: words for words in lines if words[0] == "fit"}

    def configs(self, words):
        return [words[place + 1] for place, word in enumerate(words) if word == "--config"]

    def test_a_row_is_a_chain_of_stages(self, planned):
        lines = planned("table-4.4", "ROWS=hib_patch_2_2_nl-pretrained-modern-seed3")
        row, stage1 = "hib_patch_2_2_nl-pretrained-modern-seed3", "stage1/hib_patch_2_2_nl-pretrained"
        fits = self.fits(lines)
        names = ["pretrained/hib_patch_2_2_nl", f"{stage1}-photo", f"{stage1}-sketch-modern"]
        assert list(fits) == [*names, f"{row}/stage2", f"{row}/stage3"]

        def start(name, option):
            words = fits[name]
            return words[words.index(f"--model.init_args.{option}") + 1]

        best = "RUNS/{}/checkpoints/best.ckpt".format
        assert {start(name, "init_from") for name in names[1:]} == {best(names[0])}
        assert {start(name, "init_head") for name in names[1:]} == {"false"}
        assert start(f"{row}/stage2", "init_photo") == best(names[1])
        assert start(f"{row}/stage2", "init_sketch") == best(names[2])
        assert start(f"{row}/stage3", "init_from") == best(f"{row}/stage2")
        for stage in ("stage2", "stage3"):
            words = fits[f"{row}/{stage}"]
            assert words[words.index("--seed_everything") + 1] == "3"
        assert {words[words.index("--model.init_args.backbone") + 1] for words in fits.values()} == {"hib_patch_2_2_nl"}

    def test_each_row_is_tested_after_it_has_trained(self, planned):
        lines = planned("table-4.4", "ROWS=resnet26-scratch-thesis-seed0")
        done = [
            (words[0], *words[words.index("--config") + 1].split("/")[-2:])
            for words in lines
            if words[0] in ("validate", "test")
        ]
        tested = [stage for verb, stage, _ in done if verb == "test"]
        assert tested == ["stage2", "stage3"]
        assert lines.index(list(self.fits(lines).values())[-1]) < min(
            place for place, words in enumerate(lines) if words[0] == "test"
        )
        assert "init_from" not in " ".join(self.fits(lines)["stage1/resnet26-scratch-photo"])
        assert not [name for name in self.fits(lines) if name.startswith("pretrained/")]

    def test_rows_share_stage_1_and_no_folder(self, planned):
        lines = planned("table-4.4")
        names = [words[words.index("--name") + 1] for words in lines if words[0] == "fit"]
        assert len(names) == len(set(names))
        rows = {name.rpartition("/")[0] for name in names if name.endswith(("/stage2", "/stage3"))}
        backbones = ("resnet26", "hib_patch_2_2_nl")
        assert rows == {
            f"{b}-{i}-{r}-seed0" for b in backbones for i in ("pretrained", "scratch") for r in ("thesis", "modern")
        }
        assert len(names) == 2 * 8 + 2 + 2 * 2 * 3  # stages 2 and 3, pre-training, and stage 1: photos, two of sketches

    NUMBERS = sorted({name.partition("_")[0] for name in SWITCHES})

    def ablation(self, planned):
        """Trainings of a row for the published recipe and for each switch, the last one included."""
        rows = " ".join(f"resnet26-pretrained-{last}-seed0" for last in ["thesis", *self.NUMBERS])
        return self.fits(planned("table-4.4-ablation", f"ABLATION={rows}"))

    def test_the_ablation_ends_with_the_modern_recipe(self, planned):
        """Which the last switch would make, too (``test_recipes``)."""
        fits = self.fits(planned("table-4.4-ablation"))
        rows = [name.split("-")[2] for name in fits if name.endswith("/stage3")]
        assert rows == ["thesis", *self.NUMBERS[:-1], "modern"]

    def test_a_row_of_the_ablation_has_the_first_switches_and_no_other(self, planned):
        fits = self.ablation(planned)
        for stage, kind in (("stage2", "contrastive"), ("stage3", "triplet")):
            for last in ["thesis", *self.NUMBERS]:
                used = self.configs(fits[f"resnet26-pretrained-{last}-seed0/{stage}"])
                switches = [Path(config).name for config in used if "/switches/" in config]
                expected = [
                    name
                    for name in self.SWITCHES
                    if last != "thesis" and name[:2] <= last and (name.count(".") == 1 or f".{kind}." in name)
                ]
                assert switches == expected, (stage, last)
                recipes = [Path(config).name for config in used if "/recipes/" in config]
                assert recipes == ["thesis.yaml", f"thesis_{kind}.yaml"]
                places = [place for place, config in enumerate(used) if "/switches/" in config]
                assert not places or min(places) > used.index(f"experiments/recipes/thesis_{kind}.yaml")

    def test_sketches_are_whole_in_stage_1_from_the_switch_that_says_so(self, planned):
        fits = self.ablation(planned)
        whole = next(name for name in self.SWITCHES if "whole_sketches" in name)[:2]
        for last in ["thesis", *self.NUMBERS]:
            words = fits[f"resnet26-pretrained-{last}-seed0/stage2"]
            classifier = words[words.index("--model.init_args.init_sketch") + 1].split("/")[-3]
            published = last == "thesis" or last < whole
            assert classifier.endswith("-sketch-thesis" if published else "-sketch-modern"), last
