"""The Makefile's targets plan what they should, and the files and verbs that README and Makefile name exist."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hybrid_sbir.cli.verbs import VERBS

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text()
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


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_has_a_plan(target):
    assert plan(target, "VENV=nowhere").strip()


def test_the_help_lists_every_target():
    assert [line.split()[0] for line in make("help").splitlines()] == TARGETS


def test_a_table_is_a_run_for_each_variant_and_seed_and_a_report(tmp_path):
    (tmp_path / "tu_berlin").mkdir()
    (tmp_path / "tu_berlin" / "manifest.json").touch()
    words = ["PRESET=thesis", f"DATA={tmp_path}", "VARIANTS=san10_pair:post resnet26:pre", "SEEDS=0 3"]
    steps = plan("table-4.1", "VENV=nowhere", *words)
    fits = re.findall(r" fit .*--name (\S+) --model.init_args.backbone (\S+) --model.init_args.activation (\S+)", steps)
    assert fits == [
        (f"{b}-{a}-seed{s}", b, a) for b, a in (("san10_pair", "post"), ("resnet26", "pre")) for s in (0, 3)
    ]
    assert re.findall(r" fit .*--seed_everything (\d)", steps) == ["0", "3"] * 2
    assert f"--data.init_args.root {tmp_path}" in steps
    assert " data prepare" not in steps
    assert len(re.search(r" report (.*) --reference", steps)[1].split()) == 4


def test_an_archive_is_prepared_first(tmp_path):
    archive = tmp_path / "sketches_png.zip"
    archive.touch()
    for data in (archive, tmp_path):
        steps = plan("data-tu-berlin", "VENV=nowhere", f"DATA={data}", f"ROOT={tmp_path}/data")
        assert f"data prepare tu_berlin --archive {archive} --root {tmp_path}/data" in steps
    assert "data download tu_berlin" in plan("data-tu-berlin", "VENV=nowhere", "DATA=none", f"ROOT={tmp_path}/data")


@pytest.mark.parametrize("text", [README, MAKEFILE], ids=["README", "Makefile"])
def test_what_is_named_exists(text):
    files = set(re.findall(r"experiments/[\w/.-]+\.(?:yaml|csv|py|json|png)", text))
    assert files
    assert not [file for file in files if not (ROOT / file).exists()]
    verbs = re.findall(r"(?:hybrid-sbir|\$\(RUN\)) ((?:data )?[a-z]+)", text)
    assert verbs
    assert not [verb for verb in verbs if verb not in VERBS]
