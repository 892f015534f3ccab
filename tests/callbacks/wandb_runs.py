"""Tiny runs of every task with W&B on, offline, in one process, with a key planted where W&B looks for keys.

Run as a program: ``python -m tests.callbacks.wandb_runs FOLDER``.
"""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

from tests.experiment_files import EXPERIMENTS, tiny_recipe
from tests.two_domains import draw

KEY = "0123456789abcdef0123456789abcdef01234567"
NETRC_KEY = "76543210fedcba9876543210fedcba9876543210"
ROOT = Path(__file__).parents[2]
TINY = ROOT / "tests/conf/tiny.yaml"
OVERLAY = ["--config", str(EXPERIMENTS / "overlays/wandb.yaml")]

CLASSIFICATION = "table-4.1/quick/resnet26-pre-seed3"
UNIMODAL = "table-4.3/quick/resnet26-pre-seed3"
STAGE2 = "table-4.4/quick/hib_patch_2_2-pretrained-modern-seed1/stage2"
STAGE3 = "table-4.4/quick/hib_patch_2_2-pretrained-modern-seed1/stage3"


def place(runs, name):
    """Words that put a run into a table's folder, as the tables' rules do."""
    table, preset, row = name.split("/", 2)
    return ["--runs", str(runs / table / preset), "--name", row]


def commands(root):
    """Yield command lines, in order."""
    data, runs = root / "data", root / "runs"
    folder = {"root": data / "sketches", "channels": 3}
    folder |= {"train_transform": "sketch_square_train", "eval_transform": "sketch_square_eval"}
    options = [str(word) for name, value in folder.items() for word in (f"--data.init_args.{name}", value)]
    first = ["--config", str(TINY), *options, *OVERLAY, *place(runs, CLASSIFICATION), "--seed_everything", "3"]
    for verb in ("fit", "validate", "predict"):
        yield [verb, *first]
    best = str(runs / CLASSIFICATION / "checkpoints/best.ckpt")
    starts = ["--model.init_args.init_sketch", best, "--model.init_args.init_photo", best]
    yield ["fit", *tiny_recipe("modern", "contrastive", data), *starts, *OVERLAY, *place(runs, STAGE2)]
    start = ["--model.init_args.init_from", str(runs / STAGE2 / "checkpoints/best.ckpt")]
    last = [*tiny_recipe("modern", "triplet", data), *start, *OVERLAY, *place(runs, STAGE3)]
    yield ["fit", *last]
    yield ["test", *last, "--model.init_args.using_catalogue", "[expansion, reranking]"]
    yield ["predict", *last]
    (root / "unimodal.yaml").write_text(json.dumps(unimodal(data / "sketches", runs / CLASSIFICATION)))
    yield ["test", "--config", str(root / "unimodal.yaml"), *OVERLAY, *place(runs, UNIMODAL)]


def unimodal(pictures, trained):
    """The configuration of a search among the sketches, with a classifier's features."""
    images = {"class_path": "Folder", "init_args": {"root": str(pictures), "channels": 3}}
    few = {"held_out": ["dog", "eel", "fox"], "queries_per_class": 2, "catalogue_per_class": 5}
    data = {"images": images, "size": 16, "channels": 3, "batch_size": 4, "num_workers": 0, **few}
    return {
        "model": {"class_path": "UnimodalRetrieval", "init_args": {"init_from": str(trained)}},
        "data": {"class_path": "UnimodalData", "init_args": data},
        "trainer": {"accelerator": "cpu", "enable_progress_bar": False},
    }


def environment(root):
    """A home of the runs' own, with the key in the environment and another in its netrc."""
    home = root / "home"
    home.mkdir(exist_ok=True)
    (home / ".netrc").write_text(f"machine api.wandb.ai\n  login user\n  password {NETRC_KEY}\n")
    (home / ".netrc").chmod(0o600)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    cache = os.environ.get("HYBRID_SBIR_CACHE") or Path.home() / ".cache/hybrid_sbir"  # kernels that are built already
    return kept | {"HOME": str(home), "WANDB_API_KEY": KEY, "OMP_NUM_THREADS": "1", "HYBRID_SBIR_CACHE": str(cache)}


def made(tmp_path_factory):
    """The folder of the runs, made once for all processes that test."""
    base = tmp_path_factory.getbasetemp()
    root = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "wandb_runs"
    root.mkdir(exist_ok=True)
    with (root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / "output.txt").exists():
            draw(root / "data")
            with (root / "output.txt").open("w") as output:
                command = [sys.executable, "-m", "tests.callbacks.wandb_runs", str(root)]
                subprocess.run(command, cwd=ROOT, env=environment(root), stdout=output, stderr=output, check=False)
    return root


def main(root):
    """Run all commands in this process, each as the command line would."""
    import torch

    from hybrid_sbir.cli import main as hybrid_sbir

    torch.set_num_threads(1)
    for words in commands(root):
        print("$", *words, flush=True)
        hybrid_sbir(words)
    print("all done", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
