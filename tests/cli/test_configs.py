"""Every configuration file is read; the overlays that need no hardware are run."""

from pathlib import Path

import pytest
import yaml

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
BASE = EXPERIMENTS / "base" / "classification.yaml"
DATA = sorted((EXPERIMENTS / "data").glob("*.yaml"))
OVERLAYS = sorted((EXPERIMENTS / "overlays").glob("*.yaml"))
FEW = ["--data.init_args.per_class", 3, "--data.init_args.eval_per_class", 1, "--data.init_args.num_workers", 0]
SHORT = ["--trainer.limit_train_batches", 1, "--trainer.max_epochs", 1, "--trainer.enable_progress_bar", "false"]


def words(verb, *configs):
    return [verb, *(word for config in configs for word in ("--config", str(config)))]


def resolved(call, capsys, *configs):
    assert call([*words("fit", *configs), "--print_config"]) == 0
    return yaml.safe_load(capsys.readouterr().out)


def test_the_base_is_the_theses_regime(call, capsys):
    config = resolved(call, capsys, BASE, EXPERIMENTS / "data/tu_berlin.yaml")
    task = config["model"]["init_args"]
    assert task["optimizer"]["init_args"].items() >= {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}.items()
    assert (task["label_smoothing"], task["smoothing"], task["lr_scheduler"]) == (0.1, "published", "cosine")
    assert (task["width"], task["stem"]) == (1.0, "imagenet")
    data = config["data"]["init_args"]
    assert (data["batch_size"], data["size"], data["split"]) == (64, 224, "random80")
    assert config["trainer"]["max_epochs"] == 100


@pytest.mark.parametrize("data", DATA, ids=lambda path: path.stem)
def test_data_files_are_read(data, call, capsys):
    assert "class_path" in resolved(call, capsys, BASE, data)["data"]


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.stem)
def test_overlays_say_little_and_are_read(overlay, call, capsys):
    said = yaml.safe_load(overlay.read_text())
    assert len(overlay.read_text().splitlines()) <= 12
    config = resolved(call, capsys, BASE, EXPERIMENTS / "data/embedded.yaml", overlay)

    def within(part, whole):
        return all(within(v, whole[k]) if isinstance(v, dict) else whole[k] == v for k, v in part.items())

    assert within(said, config)


@pytest.mark.parametrize("overlays", [["quick"], ["quick", "bf16"]], ids="+".join)
def test_overlays_run(overlays, call, runs):
    files = [EXPERIMENTS / "overlays" / f"{name}.yaml" for name in overlays]
    place = ["--runs", str(runs), "--name", "quick"]
    command = [*words("fit", BASE, EXPERIMENTS / "data/embedded.yaml", *files), *place, *map(str, FEW + SHORT)]
    assert call(command) == 0
    assert (runs / "quick/checkpoints/best.ckpt").exists()


def test_weights_and_biases_without_a_network_or_a_leak(tiny, runs, start):
    key = "0123456789abcdef0123456789abcdef01234567"
    process = start([*tiny("fit", "--config", EXPERIMENTS / "overlays/wandb.yaml")], WANDB_API_KEY=key)
    process.join(120)
    assert process.exitcode == 0, process.log.read_text()
    files = [path for path in runs.rglob("*") if path.is_file()]
    logged = [path for path in files if path.suffix == ".wandb"]
    assert len(logged) == 1
    assert b"val/top1" in logged[0].read_bytes()
    assert not [path for path in [*files, process.log] if key.encode() in path.read_bytes()]
