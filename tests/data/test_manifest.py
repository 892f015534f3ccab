"""The record of prepared data: what is missing, altered or of another version is said, with what to do."""

import json
import zipfile

import pytest
from PIL import Image

from hybrid_sbir.data.manifest import Manifest, ManifestError, split_part
from hybrid_sbir.data.preparation.prepare import prepare


@pytest.fixture
def root(tmp_path):
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as archive:
        for name in ("cat", "dog"):
            for i in range(5):
                with archive.open(f"{name}/{i}.png", "w") as file:
                    Image.new("L", (8, 8), 20 * i).save(file, "PNG")
    return prepare("folder", tmp_path / "mine.zip", tmp_path / "data", progress=False).root


def rewrite(root, **changes):
    record = json.loads((root / "manifest.json").read_text())
    (root / "manifest.json").write_text(json.dumps(record | changes))


def test_it_can_be_moved(root, tmp_path):
    before = Manifest.load(root)
    root.rename(tmp_path / "elsewhere")
    after = Manifest.load(tmp_path / "elsewhere", verify=True)
    assert (after.hash, after.root) == (before.hash, tmp_path / "elsewhere")


def test_the_same_archive_gives_the_same_hash_wherever_it_is_prepared(root, tmp_path):
    again = prepare("folder", tmp_path / "mine.zip", tmp_path / "again", progress=False)
    assert again.hash == Manifest.load(root).hash


def test_missing(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"no prepared data in .*tu_berlin \(manifest.json is missing\); make it with: "
    ):
        Manifest.load(tmp_path / "tu_berlin")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1', "\x00"])
def test_no_manifest(root, text):
    (root / "manifest.json").write_text(text)
    with pytest.raises(ManifestError, match=r"is no manifest .*; prepare the data again: .*--overwrite true$"):
        Manifest.load(root)


def test_another_version(root):
    rewrite(root, format=2)
    with pytest.raises(ManifestError, match="has format 2, this version reads 1; prepare the data again"):
        Manifest.load(root)


@pytest.mark.parametrize("changes", [{"samples": 11}, {"classes": ["dog", "cat"]}, {"hash": "0"}, {"more": 1}])
def test_an_altered_manifest(root, changes):
    rewrite(root, **changes)
    with pytest.raises(ManifestError, match="was altered: it does not agree with its own hash"):
        Manifest.load(root)


def test_an_altered_index(root):
    index = root / "index.tsv"
    index.write_text(index.read_text().replace("cat/1.png\t0", "cat/1.png\t1"))
    with pytest.raises(ManifestError, match=r"index\.tsv was altered since the data were prepared"):
        Manifest.load(root)
    index.unlink()
    with pytest.raises(ManifestError, match=r"index\.tsv is missing"):
        Manifest.load(root)


@pytest.mark.parametrize("path", ["images/cat/1.png", "mapping.txt", "splits/random80/val.txt"])
def test_other_altered_files_are_found_by_verify(root, path):
    (root / path).write_bytes((root / path).read_bytes() + b"\n")
    assert Manifest.load(root).samples == 10
    with pytest.raises(ManifestError, match=f"{path} was altered"):
        Manifest.load(root, verify=True)


def test_an_altered_split_is_not_read(root):
    (root / "splits" / "random80" / "val.txt").write_text("images/cat/1.png\t0\n")
    with pytest.raises(ManifestError, match=r"val\.txt was altered"):
        split_part(root, "random80", "val")


@pytest.mark.parametrize(("split", "part"), [("random90", "val"), ("random80", "test")])
def test_unknown_splits_list_the_known_ones(root, split, part):
    with pytest.raises(
        ManifestError,
        match=f"no part '{part}' of a split '{split}' in .*; there are: random80: train, val; stratified80",
    ):
        split_part(root, split, part)


def test_unknown_splits_have_no_classes(root):
    with pytest.raises(ManifestError, match=r"no split 'mini' in .*; there are: random80, stratified80, kfold5_0"):
        Manifest.load(root).split_classes("mini")
