"""Runs of the real command line on a small folder of pictures: in this process, or in one that may be killed."""

import hashlib
import multiprocessing
import runpy
from pathlib import Path

import lightning.pytorch  # noqa: F401 - its log handler keeps the stderr of its import: not one that a test closes
import numpy as np
import pytest
import torch
from PIL import Image

from hybrid_sbir.cli import main

HERE = Path(__file__).parent
TINY = HERE.parent / "conf" / "tiny.yaml"


@pytest.fixture(scope="session")
def pictures(tmp_path_factory) -> Path:
    """Three classes of noise with a dark band each: 27 training and 13 validation pictures."""
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for part, counts in {"train": (9, 9, 9), "val": (5, 5, 3)}.items():
        for label, count in enumerate(counts):
            folder = root / part / f"class{label}"
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 256, (24, 24), dtype=np.uint8)
                pixels[:, label * 8 : label * 8 + 8] //= 4
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return root


@pytest.fixture
def tiny(pictures, tmp_path):
    """Words of a tiny run's command line, in a folder of the test's own."""

    def words(verb, *more, name="run", config=TINY):
        place = ["--runs", str(tmp_path / "runs"), "--name", name]
        return [verb, "--config", str(config), "--data.init_args.root", str(pictures), *place, *map(str, more)]

    return words


@pytest.fixture
def runs(tmp_path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def call(monkeypatch):
    """Run a command line in this process and return its exit code."""

    def run(words):
        monkeypatch.syspath_prepend(HERE)
        monkeypatch.setattr("sys.argv", ["hybrid-sbir", *words])
        try:
            main()
        except SystemExit as end:
            return end.code or 0
        return 0

    return run


@pytest.fixture(scope="session")
def server():
    """A process that has imported everything once and from which others are forked in milliseconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hybrid_sbir.cli.training", "hybrid_sbir.search.building.embedding"])
    return context


@pytest.fixture
def start(server, tmp_path):
    """Start a command line in a process of its own; ``process.log`` is where its output goes."""
    started = []

    def begin(words, **environment):
        log = tmp_path / f"output{len(started)}.txt"
        known = {"job": {"words": list(map(str, words)), "log": str(log), "environment": environment}}
        process = server.Process(target=runpy.run_path, args=(str(HERE / "child.py"),), kwargs={"init_globals": known})
        process.start()
        process.log = log
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.is_alive():
            process.kill()
        process.join()


@pytest.fixture
def spawn(start):
    """Run a command line in a process of its own; returns its exit code (-n: killed by signal n) and its output."""

    def run(words, timeout=120):
        process = start(words)
        process.join(timeout)
        assert process.exitcode is not None, f"still running after {timeout} s:\n{process.log.read_text()}"
        return process.exitcode, process.log.read_text()

    return run


def saboteur(kind, **settings):
    """Options that put one of ``saboteurs.py`` into a run."""
    options = [f"--trainer.callbacks+=saboteurs.{kind}"]
    return options + [f"--trainer.callbacks.{name}={value}" for name, value in settings.items()]


@pytest.fixture(name="saboteur")
def saboteur_fixture():
    return saboteur


@pytest.fixture
def outcome():
    """What a run's folder must have in common with that of the run that was never stopped."""

    def read(folder):
        last = torch.load(folder / "checkpoints/last.ckpt", weights_only=True)
        best = torch.load(folder / "checkpoints/best.ckpt", weights_only=True)
        return {
            "weights": digest(last["state_dict"]),
            "optimiser": digest(last["optimizer_states"]),
            "schedule": last["lr_schedulers"],
            "best weights": digest(best["state_dict"]),
            "best score": last["callbacks"]["Checkpoints"],
            "steps": last["global_step"],
            "csv": (folder / "metrics.csv").read_text(),
        }

    return read


def digest(value):
    """SHA-256 over all tensors and numbers in a nest of containers."""
    hash_ = hashlib.sha256()

    def add(name, item):
        if isinstance(item, dict):
            for key in item:
                add(f"{name}/{key}", item[key])
        elif isinstance(item, list | tuple):
            for place, part in enumerate(item):
                add(f"{name}/{place}", part)
        else:
            hash_.update(name.encode())
            hash_.update(item.contiguous().numpy().tobytes() if isinstance(item, torch.Tensor) else repr(item).encode())

    add("", value)
    return hash_.hexdigest()
