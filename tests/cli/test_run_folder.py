"""An old run is kept until the new one trains; two runs never share a folder."""

import json
import multiprocessing
import os
import time

import pytest

from hybrid_sbir.cli.run_folder import RunFolder


@pytest.fixture
def old(tmp_path):
    """A folder with a finished run."""
    path = tmp_path / "run"
    (path / "checkpoints").mkdir(parents=True)
    for name in ("checkpoints/best.ckpt", "checkpoints/last.ckpt", "hpc_ckpt_1.ckpt", "config.yaml", "metrics.csv"):
        (path / name).write_text("old")
    (path / "metrics.json").write_text(json.dumps({"finished": True, "epochs": 3, "max_epochs": 3}))
    return path


def content(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_start_that_fails_puts_the_old_run_back(old):
    before = content(old)
    folder = RunFolder(old)
    assert folder.to_fit(None, overwrite=True) is None
    folder.put_aside()
    (old / "metrics.json").write_text('{"epochs": 0}')
    (old / "config.yaml").write_text("new")
    folder.close()
    assert content(old) == before


def test_a_run_that_began_replaces_the_old_one(old):
    folder = RunFolder(old)
    folder.to_fit(None, overwrite=True)
    folder.put_aside()
    folder.discard_old()
    (old / "metrics.json").write_text("new")
    folder.close()
    assert content(old) == {"metrics.json": b"new"}


@pytest.mark.parametrize("renames", range(6))
@pytest.mark.parametrize("verb", ["fit", "validate"])
def test_nothing_is_lost_by_a_kill_while_the_old_run_is_put_aside(old, renames, verb, monkeypatch):
    before, replace, left = content(old), type(old).replace, [renames]

    def dies(path, to):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return replace(path, to)

    killed = RunFolder(old)
    killed.to_fit(None, overwrite=True)
    monkeypatch.setattr(type(old), "replace", dies)
    if renames < 5:
        with pytest.raises(KeyboardInterrupt):
            killed.put_aside()
    else:
        killed.put_aside()
    monkeypatch.undo()
    os.close(killed._lock)  # as the kernel does
    if verb == "fit":
        after = RunFolder(old)
        with pytest.raises(FileExistsError, match="already holds a run"):
            after.to_fit(None, overwrite=False)
        after.close()
    else:
        assert RunFolder(old).to_evaluate(None, False) == old / "checkpoints/best.ckpt"
    assert content(old) == before


def test_the_old_run_keeps_its_run_of_w_and_b(old):
    """A start that --overwrite began and that failed has opened a W&B run of its own by then."""
    (old / "wandb_run.json").write_text('{"id": "old"}')
    (old / "wandb/offline-run-1").mkdir(parents=True)
    (old / "wandb/offline-run-1/run-1.wandb").write_text("not uploaded yet")
    for begins, expected in ((False, '{"id": "old"}'), (True, '{"id": "new"}')):
        folder = RunFolder(old)
        folder.to_fit(None, overwrite=True)
        folder.put_aside()
        assert not (old / "wandb_run.json").exists()
        (old / "wandb_run.json").write_text('{"id": "new"}')
        if begins:
            folder.discard_old()
        folder.close()
        assert (old / "wandb_run.json").read_text() == expected
        assert (old / "wandb/offline-run-1/run-1.wandb").exists()


def test_two_old_runs_are_both_left_and_named(old):
    (old / ".previous").mkdir()
    (old / ".previous/checkpoints").mkdir()
    before = content(old)
    folder = RunFolder(old)
    with pytest.raises(OSError, match=r"\.previous holds an earlier run .* move one of them"):
        folder.to_fit(None, overwrite=True)
    folder._mine = False
    os.close(folder._lock)
    assert content(old) == before


def test_a_second_run_in_one_folder_is_refused(tmp_path):
    first, second = RunFolder(tmp_path / "runs/a"), RunFolder(tmp_path / "runs/a")
    first.to_fit(None, overwrite=False)
    for overwrite in (False, True):
        with pytest.raises(OSError, match=r"another process is training in .*another --name"):
            second.to_fit(None, overwrite)
    second.close()
    first.close()
    assert not (tmp_path / "runs/a").exists()  # nothing was written
    second.to_fit(None, overwrite=False)
    second.close()


def test_a_loading_process_does_not_keep_the_lock_of_a_killed_run(tmp_path):
    killed, after = RunFolder(tmp_path / "a"), RunFolder(tmp_path / "a")
    killed.to_fit(None, overwrite=False)
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(20,), daemon=True)
    process.start()
    time.sleep(0.2)
    os.close(killed._lock)  # as the kernel does
    try:
        after.to_fit(None, overwrite=False)
    finally:
        process.kill()
        process.join()
    after.close()


@pytest.mark.parametrize(
    ("record", "holds"),
    [
        ({"epochs": 0, "finished": False}, False),
        ({"epochs": 0, "validate": {}}, True),
        ({"validate": {}}, True),
        ({"epochs": 1}, True),
        ([], True),
    ],
)
def test_only_what_was_trained_or_scored_is_a_run(record, holds, tmp_path):
    (tmp_path / "metrics.json").write_text(json.dumps(record))
    assert RunFolder(tmp_path).holds_run == holds


def test_a_file_in_place_of_the_folder_of_runs(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="Not a directory; give --runs a folder that you can write to"):
        RunFolder(tmp_path / "file/run").to_fit(None, overwrite=False)


def test_a_folder_that_is_read_only(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(OSError, match=r"cannot write into .* give --runs a folder"):
        RunFolder(tmp_path).to_fit(None, overwrite=False)
