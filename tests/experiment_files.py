"""What the real command line makes of the experiments' files: all settings, and the objects they describe."""

import os
import shlex
import subprocess
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
import yaml
from lightning.pytorch import Callback, LightningDataModule

from hybrid_sbir.cli.training import TrainingCLI
from hybrid_sbir.tasks.bimodal import BimodalTask
from tests.two_domains import roots

ROOT = Path(__file__).parents[1]
EXPERIMENTS = ROOT / "experiments"
TINY = Path(__file__).parent / "conf" / "tiny_retrieval.yaml"
RECIPES = ("thesis", "modern")
STAGES = ("contrastive", "triplet")


class _Settings(TrainingCLI):
    """Reads and checks everything, and stops before anything is built."""

    def before_instantiate_classes(self):
        """There is no run, and so no folder."""

    def instantiate_classes(self):
        """Nothing is built."""

    def _run_subcommand(self, subcommand):
        """Nothing is run."""


class Built(NamedTuple):
    """What a configuration describes."""

    task: BimodalTask
    data: LightningDataModule
    callbacks: list[Callback]


@cache
def _read(words):
    return _Settings("fit", list(words))


def settings(words):
    """The complete settings of ``hybrid-sbir fit WORDS``, as plain values."""
    cli = _read(tuple(map(str, words)))
    return yaml.safe_load(cli._parser("fit").dump(cli.config["fit"], skip_none=False))


def built(words):
    """The objects of ``hybrid-sbir fit WORDS``, new ones at every call."""
    cli = _read(tuple(map(str, words)))
    torch.manual_seed(cli.config["fit"].seed_everything)
    made = cli.parser.instantiate_classes(cli.config)["fit"]
    return Built(made.model, made.data, list(made.trainer.callbacks or []))


def configs(*files):
    """Words that name configuration files."""
    return [word for file in files for word in ("--config", str(file))]


def recipe(name, stage, *data):
    """Words of a recipe's stage, as the experiments lay its files over one another: first the data, then the recipe."""
    recipes = EXPERIMENTS / "recipes"
    return configs(
        EXPERIMENTS / "base" / f"{stage}.yaml", *data, recipes / f"{name}.yaml", recipes / f"{name}_{stage}.yaml"
    )


def tiny_recipe(name, stage, root):
    """The same on a small model and folders of ``two_domains.draw``; two epochs, batches of 4 classes of 2."""
    few = {"data.init_args.batch_size": 8, "data.init_args.per_class": 2, "trainer.max_epochs": 2}
    options = [word for place, value in few.items() for word in (f"--{place}", str(value))]
    return [*recipe(name, stage, TINY), *options, *roots(root)]


def plan(*words, data, runs):
    """Command lines that ``make`` would run, as lists of words: what follows ``hybrid-sbir``, in order.

    Args:
        words: of make.
        data: a folder with the archives' names in it; see :func:`archives`.
        runs: a folder of runs that holds none yet, so that nothing counts as done.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "-n", *words, "VENV=nowhere", f"DATA={data}", f"T44_RUNS={runs}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.replace("\\\n", " ").splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith("nowhere/bin/hybrid-sbir ")]


def archives(folder):
    """Empty files of the archives' names, which are enough to plan."""
    for name in ("photos_90", "sketchy_85", "tiny-imagenet-200_subset", "sketches_png"):
        (folder / f"{name}.zip").touch()
    return folder
