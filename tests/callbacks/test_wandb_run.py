"""A run of W&B behind its guard: what it remembers, what it does not wait for, what it refuses; and its file."""

import json
import re
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from hybrid_sbir.callbacks import wandb_run
from hybrid_sbir.callbacks.wandb_files import log_model
from hybrid_sbir.callbacks.wandb_log import becomes_whole, is_whole, takes_row
from hybrid_sbir.callbacks.wandb_logger import WandbTracker
from hybrid_sbir.callbacks.wandb_memory import Memory
from hybrid_sbir.callbacks.wandb_names import name_run
from hybrid_sbir.callbacks.wandb_run import WandbRun
from hybrid_sbir.callbacks.wandb_service import within


class TestMemory:
    def test_it_comes_back(self, tmp_path):
        Memory("abc", 3, 17).write(tmp_path)
        assert Memory.read(tmp_path) == Memory("abc", 3, 17)

    @pytest.mark.parametrize("content", ["", "{", "[]", '{"other": 1}'])
    def test_what_cannot_be_read_is_none(self, content, tmp_path):
        assert Memory.read(tmp_path) is None
        (tmp_path / "wandb_run.json").write_text(content)
        assert Memory.read(tmp_path) is None

    def test_ids_differ_whatever_the_seed(self):
        torch.manual_seed(0)
        first = Memory.new().id
        torch.manual_seed(0)
        assert Memory.new().id != first
        assert len(first) == 8

    @pytest.mark.parametrize(("epochs", "afresh", "kept"), [(2, False, True), (2, True, False), (0, True, True)])
    def test_a_run_that_begins_anew_is_a_new_one_unless_nothing_was_logged(
        self, epochs, afresh, kept, tmp_path, monkeypatch
    ):
        Memory("earlier0", epochs, 5).write(tmp_path)
        monkeypatch.setattr(WandbRun, "_init", lambda self, names, offline: SimpleNamespace(
            dir=str(tmp_path / "files"), config={}, define_metric=lambda *_, **__: None))  # fmt: skip
        monkeypatch.setattr(wandb_run, "_define", lambda run: None)
        run = WandbRun(tmp_path, "p", None, True, False)
        run.open(name_run(Path("runs/a")), {}, afresh)
        assert not run.broken
        assert (run.id == "earlier0") == kept
        assert json.loads((tmp_path / "wandb_run.json").read_text())["id"] == run.id


def test_what_fails_is_said_once_and_ends_the_logging(tmp_path, recwarn):
    calls = []

    class Broken:
        def log(self, *_, **__):
            calls.append(1)
            raise OSError(28, "No space left on device")

    run = WandbRun(tmp_path, "p", None, True, False)
    run._run, run._memory = Broken(), Memory("a")
    for _ in range(3):
        run.log({"x": 1})
    run.close()
    assert len(calls) == 1
    said = [str(warning.message) for warning in recwarn if "W&B" in str(warning.message)]
    assert len(said) == 1
    assert "No space left on device" in said[0]


def test_a_large_checkpoint_is_left_out_and_that_is_said(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/best.ckpt").write_bytes(bytes(3_000_000))
    with pytest.warns(UserWarning, match=r"best\.ckpt has 3 MB and is no artifact \(.*most_megabytes is 2\)"):
        log_model(SimpleNamespace(), tmp_path, "x", {}, 2.0)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("shown", 0), ("most_megabytes", -1.0), ("project", "a/b"), ("project", ""), ("project", "?")],
)
def test_settings_that_make_no_sense(setting, value):
    with pytest.raises(ValueError, match=rf"init_args.{setting} is '?{re.escape(str(value))}'?; give"):
        WandbTracker(**{setting: value})


def piece(step=None):
    """One record of a file: a row of a step, or the end."""
    from wandb.proto.wandb_internal_pb2 import Record

    record = Record()
    if step is None:
        record.exit.exit_code = 0
    else:
        record.history.step.num = step
    content = record.SerializeToString()
    return b"\0" * 4 + len(content).to_bytes(2, "little") + b"\1" + content


def test_a_cut_file_is_not_whole(tmp_path):
    end = piece()
    whole = b":W&B" + b"\0" * 3 + piece(step=3) + end
    for content, expected in ((whole, True), (whole[:-1], False), (whole[: -len(end)], False), (b":W&B", False)):
        (tmp_path / "run.wandb").write_bytes(content)
        assert is_whole(tmp_path / "run.wandb") == expected


def test_a_file_that_is_whole_a_moment_later_is_waited_for(tmp_path, monkeypatch):
    answers = iter([False, False, True])
    monkeypatch.setattr("hybrid_sbir.callbacks.wandb_log.is_whole", lambda path: next(answers))
    assert becomes_whole(tmp_path, 30)
    monkeypatch.setattr("hybrid_sbir.callbacks.wandb_log.is_whole", lambda path: False)
    assert not becomes_whole(tmp_path, 0.2)


def test_a_row_is_waited_for_until_the_file_has_it(tmp_path):
    path = tmp_path / "run.wandb"
    path.write_bytes(b":W&B" + b"\0" * 3 + piece(step=3))
    assert takes_row(path, 3, 0)
    begun = time.monotonic()
    assert not takes_row(path, 4, 0.2), "other rows are not it"
    assert time.monotonic() - begun >= 0.2
    path.write_bytes(path.read_bytes() + piece(step=4)[:-1])
    assert not takes_row(path, 4, 0), "half a row is none"


def test_nothing_is_waited_for_longer_than_said():
    begun = time.monotonic()
    with pytest.raises(TimeoutError, match=r"no answer from W&B's service within 0\.2 s"):
        within(0.2, lambda: time.sleep(5))
    assert time.monotonic() - begun < 4
    assert within(5, lambda: "done") == "done"
    with pytest.raises(SystemExit):
        within(5, lambda: exit(3))
