"""Signals and broken numbers end a run with the right exit code and lose nothing."""

import pytest
import torch


@pytest.fixture
def reference(call, tiny, runs, outcome):
    assert call(tiny("fit", name="whole")) == 0
    return outcome(runs / "whole")


@pytest.mark.parametrize(
    ("name", "place", "count", "code", "step"),
    [
        ("SIGTERM", "batch_end", 3, 143, 3),
        ("SIGINT", "validation", 6, 130, 12),
        pytest.param("SIGINT", "batch_start", 7, 130, 7, marks=pytest.mark.slow),
        pytest.param("SIGTERM", "batch_end", 12, 143, 12, marks=pytest.mark.slow),
        pytest.param("SIGTERM", "epoch_end", 2, 143, 13, marks=pytest.mark.slow),
    ],
)
def test_a_signal_leaves_a_checkpoint_that_continues_exactly(
    name, place, count, code, step, spawn, tiny, saboteur, runs, outcome, reference
):
    bomb = saboteur("Signal", place=place, count=count, name=name)
    ended, output = spawn(tiny("fit", *bomb, "--checkpoints.every_n_steps", 0))
    assert ended == code, output
    assert f"stopped by {name} at step {step}" in output
    assert torch.load(runs / "run/checkpoints/last.ckpt", weights_only=True)["global_step"] == step
    assert spawn(tiny("fit", "--ckpt_path", "last"))[0] == 0
    assert outcome(runs / "run") == reference


def test_a_loss_that_is_no_number_stops_the_run(spawn, tiny, saboteur, runs):
    ended, output = spawn(tiny("fit", *saboteur("Poison", place="batch_start", count=6)))
    assert ended == 1
    error = next(line for line in output.splitlines() if line.startswith("hybrid-sbir fit: error:"))
    assert "the loss is nan at step 5 (epoch 0), samples [" in error
    assert "continue with --ckpt_path last" in error
    saved = torch.load(runs / "run/checkpoints/last.ckpt", weights_only=True)
    assert saved["global_step"] == 4
    assert all(tensor.isfinite().all() for tensor in saved["state_dict"].values())
    assert spawn(tiny("fit", "--ckpt_path", "last"))[0] == 0


def test_weights_that_are_no_numbers_do_not_replace_good_ones(spawn, tiny, saboteur, runs):
    ended, output = spawn(tiny("fit", *saboteur("Poison", place="validation", count=1)))
    assert ended == 1
    assert "parameter model.head.bias is no longer finite at step 6" in output
    assert torch.load(runs / "run/checkpoints/last.ckpt", weights_only=True)["global_step"] == 4


def test_a_full_disk_ends_the_run_and_keeps_the_last_checkpoint(spawn, tiny, saboteur, runs):
    ended, output = spawn(tiny("fit", *saboteur("FullDisk", place="epoch_start", count=2)))
    assert ended == 1
    assert "cannot write checkpoint" in output
    assert "the previous one is untouched" in output
    assert torch.load(runs / "run/checkpoints/last.ckpt", weights_only=True)["global_step"] == 6
    assert spawn(tiny("fit", "--ckpt_path", "last"))[0] == 0
