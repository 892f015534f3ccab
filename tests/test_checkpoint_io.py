"""Checkpoints on the disk: whole or not there, and damage is noticed and explained."""

import os
import zipfile

import pytest
import torch

from hybrid_sbir.checkpoint_io import CheckpointFileError, DurableCheckpointIO, read_checkpoint

CONTENT = {
    "state_dict": {"w": torch.arange(1000.0)},
    "pytorch-lightning_version": "2.6.6",
    "epoch": 3,
    "names": ["a", "b"],
    "place": (1, None),
}


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "checkpoints" / "last.ckpt"
    DurableCheckpointIO().save_checkpoint(CONTENT, path)
    return path


def same(loaded):
    return torch.equal(loaded["state_dict"]["w"], CONTENT["state_dict"]["w"]) and loaded["place"] == (1, None)


def test_comes_back_and_is_an_ordinary_zip_file(saved):
    assert same(DurableCheckpointIO().load_checkpoint(saved))
    assert same(torch.load(saved, weights_only=True))
    assert zipfile.ZipFile(saved).testzip() is None
    assert [p.name for p in saved.parent.iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_flipped_bit_is_noticed_and_a_whole_one_named(saved, share):
    DurableCheckpointIO().save_checkpoint(CONTENT, saved.with_name("best.ckpt"))
    content = bytearray(saved.read_bytes())
    content[int(len(content) * share)] ^= 1
    saved.write_bytes(content)
    with pytest.raises(CheckpointFileError, match=r"last\.ckpt is damaged.*whole checkpoints beside it: .*best\.ckpt"):
        read_checkpoint(saved)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_cut_file_is_noticed(saved, share):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(
        CheckpointFileError, match=r"last\.ckpt .*(cut short|is damaged).*no other checkpoint beside it"
    ):
        read_checkpoint(saved)


def test_a_damaged_neighbour_is_not_recommended(saved):
    other = saved.with_name("best.ckpt")
    other.write_bytes(saved.read_bytes()[:-1] + b"x")
    saved.write_bytes(b"")
    with pytest.raises(CheckpointFileError, match="no other checkpoint beside it"):
        read_checkpoint(saved)


def test_missing(tmp_path):
    with pytest.raises(CheckpointFileError, match=r"cannot read checkpoint .*x\.ckpt: No such file"):
        read_checkpoint(tmp_path / "x.ckpt")


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    path, trace = tmp_path / "evil.ckpt", tmp_path / "trace"

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(trace),)

    torch.save({"x": Evil()}, path)
    with pytest.raises(CheckpointFileError, match="more than tensors and plain values"):
        DurableCheckpointIO().load_checkpoint(path)
    assert not trace.exists()


def test_a_full_disk_leaves_the_previous_one(saved, monkeypatch):
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = saved.read_bytes()
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(
            CheckpointFileError, match=r"cannot write .*last\.ckpt .*File too large.*previous one is untouched"
        ):
            DurableCheckpointIO().save_checkpoint({"w": torch.zeros(9999)}, saved)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert saved.read_bytes() == before
    assert [p.name for p in saved.parent.iterdir()] == ["last.ckpt"]
    assert same(read_checkpoint(saved))


def test_no_permission_is_an_error(saved, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(CheckpointFileError, match=r"Permission denied.*folder writable.*--ckpt_path last"):
        DurableCheckpointIO().save_checkpoint(CONTENT, saved)


def test_is_flushed_before_it_appears_and_its_folder_after(saved, monkeypatch):
    steps = []
    fsync, replace = os.fsync, type(saved).replace
    monkeypatch.setattr("os.fsync", lambda handle: (steps.append("flush"), fsync(handle)))
    monkeypatch.setattr(type(saved), "replace", lambda self, to: (steps.append("replace"), replace(self, to))[1])
    DurableCheckpointIO().save_checkpoint(CONTENT, saved)
    assert steps == ["flush", "replace", "flush"]


def test_what_could_not_be_read_again_is_not_written(tmp_path):
    with pytest.raises(CheckpointFileError, match=r"(?s)would not be readable.*PosixPath"):
        DurableCheckpointIO().save_checkpoint({"path": tmp_path}, tmp_path / "last.ckpt")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([1, 2], "it holds a list, not named entries"),
        ({"w": torch.zeros(2)}, r"no state_dict and no pytorch-lightning_version.*init_args\.init_from"),
        ({"state_dict": {}}, "it has no pytorch-lightning_version"),
    ],
)
def test_a_foreign_file_is_no_run(content, words, tmp_path):
    torch.save(content, tmp_path / "x.ckpt")
    with pytest.raises(CheckpointFileError, match=words):
        DurableCheckpointIO().load_checkpoint(tmp_path / "x.ckpt")


def test_never_advises_to_load_unchecked(tmp_path):
    (tmp_path / "x.ckpt").write_bytes(b"garbage" * 100)
    with pytest.raises(CheckpointFileError) as caught:
        read_checkpoint(tmp_path / "x.ckpt")
    assert "weights_only" not in str(caught.value)
