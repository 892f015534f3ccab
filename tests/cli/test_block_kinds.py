"""Every kind of block from a configuration file: trained, evaluated, and told from another."""

import json

import yaml

STAGES = [
    {"kind": "basic", "width": 16, "depth": 1, "squeeze": 4},
    {"kind": "bot", "width": 32, "depth": 2, "heads": 2, "position_size": 3, "nonlocal_at": [1], "form": "embedded"},
    {"kind": "sasa", "width": 32, "depth": 1, "kernel_size": 3},
    {"kind": "vit", "width": 32, "depth": 1, "position_size": 4},
]


def test_a_hybrid_of_all_kinds_from_a_file(tiny, call, runs, tmp_path, capsys):
    overlay = tmp_path / "stages.yaml"
    overlay.write_text(yaml.safe_dump({"model": {"init_args": {"backbone": STAGES}}}))
    assert call(tiny("fit", "--config", overlay, "--trainer.max_epochs", 1)) == 0
    saved = yaml.safe_load((runs / "run/config.yaml").read_text())["model"]["init_args"]["backbone"]
    assert [stage["kind"] for stage in saved] == ["basic", "bot", "sasa", "vit"]
    assert saved[1]["position_size"] == 3
    best = json.loads((runs / "run/metrics.json").read_text())["best"]["val/loss"]
    again = ["validate", "--config", str(runs / "run/config.yaml"), "--runs", str(runs)]
    assert call(again) == 0
    assert json.loads((runs / "run/metrics.json").read_text())["validate"]["val/loss"] == best
    last = runs / "run/checkpoints/last.ckpt"
    heads = ["--model.init_args.backbone", json.dumps([STAGES[0], STAGES[1] | {"heads": 1}, *STAGES[2:]])]
    assert call(tiny("validate", "--ckpt_path", last, *heads, name="other")) == 1
    assert "stages[1].heads is 2 there and 1 here" in capsys.readouterr().err
