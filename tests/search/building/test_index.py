"""An index from the command line: made, brought up to date, refused; what is skipped is listed."""

import json
import os
import re
import resource
import shutil
import socket
import zipfile

import numpy as np
import pytest
from PIL import Image

from hybrid_sbir.data.images import read_image
from hybrid_sbir.encoding import load_encoder
from hybrid_sbir.folder_lock import lock, unlock
from hybrid_sbir.search import SketchSearch
from hybrid_sbir.search.manifest import read_manifest
from tests.search.building.conftest import draw, write_model


def rows(folder, role="photos"):
    return [json.loads(line) for line in next(folder.glob(f"{role}-*")).read_text().splitlines()]


def vectors(folder):
    return np.load(next(folder.glob("vectors-*")))


def test_every_photo_has_the_vector_that_the_model_gives_it_alone(made, photos, model):
    folder = made()
    encoder, found = load_encoder(model), vectors(folder)
    names = [row["id"] for row in rows(folder)]
    assert names == sorted(p.relative_to(photos).as_posix() for p in photos.glob("class*/*"))
    for name, vector in zip(names, found, strict=True):
        alone = encoder.embed(encoder.prepare(read_image(photos / name), "photo")[None], "photo")[0]
        np.testing.assert_allclose(vector, alone, atol=2e-6)
    assert np.linalg.norm(found[0] - found[1]) > 1e-3


def test_what_cannot_be_used_is_skipped_and_listed_with_its_reason(index, photos, tmp_path):
    Image.new("L", (3000, 3000)).save(photos / "large.png")
    (photos / "class0" / "long.jpg").write_bytes(bytes(50_000))
    os.mkfifo(photos / "pipe.jpg")
    (photos / "leak.jpg").symlink_to("/etc/hostname")
    code, out, _ = index("--max_pixels", 1_000_000, "--max_bytes", 40_000)
    assert code == 0
    listed = {row["id"]: row["reason"] for row in rows(tmp_path / "index", "skipped")}
    beginnings = {name: reason.split(":")[0] for name, reason in listed.items()}
    assert beginnings == {
        "broken.jpg": "unreadable", "class0/long.jpg": "oversized", "cut.png": "truncated", "large.png": "oversized",
        "leak.jpg": "suspicious", "pipe.jpg": "suspicious",
    }  # fmt: skip
    assert "11 photos, 6 skipped; 11 embedded now" in out
    assert "2 oversized, 2 suspicious" in out
    assert str(next((tmp_path / "index").glob("skipped-*"))) in out
    assert f"next: hybrid-sbir search SKETCH --index {tmp_path / 'index'}; hybrid-sbir serve --index" in out


@pytest.mark.parametrize("kind", ["list", "zip"])
def test_a_list_and_a_zip_give_the_vectors_of_the_folder(made, photos, tmp_path, kind, content):
    folder = made()
    files = sorted(p for p in photos.rglob("*") if p.is_file())
    before = content(photos)
    if kind == "zip":
        source = tmp_path / "photos.zip"
        with zipfile.ZipFile(source, "w") as archive:
            for file in files:
                archive.write(file, file.relative_to(photos))
    else:
        source = photos / "list.txt"
        source.write_text("".join(f"{file.relative_to(photos)}\n" for file in [*files, files[0]]))
    other = made(out="other", photos=source, workers=2)
    assert (vectors(other) == vectors(folder)).all()
    assert [row["sha256"] for row in rows(other)] == [row["sha256"] for row in rows(folder)]
    assert read_manifest(other).source == {"kind": kind, "path": str(source)}
    found = SketchSearch.load(other)
    assert found.photo_bytes(found.photos[3].id) == (photos / found.photos[3].id).read_bytes()
    assert {name: digest for name, digest in content(photos).items() if name != "list.txt"} == before


def test_batches_and_loading_processes_change_no_byte(made, content):
    assert content(made()) == content(made(out="other", workers=3))


def test_an_update_ends_with_the_bytes_of_a_fresh_index(index, made, photos, content, tmp_path):
    made()
    draw(photos / "class1" / "new.png", 100)
    draw(photos / "class2" / "2.png", 101)
    (photos / "class0" / "3.png").unlink()
    os.utime(photos / "class0" / "0.png", (1, 1))
    draw(photos / "broken.jpg", 102)
    code, out, _ = index(model=None, photos=None, batch_size=None)
    assert code == 0
    assert "12 photos, 1 skipped; 3 embedded now" in out
    assert "2 added, 1 changed, 1 removed" in out
    assert content(tmp_path / "index") == content(made(out="fresh"))


def test_nothing_changes_where_nothing_has_changed(index, made, content, tmp_path):
    before = content(made())
    code, out, _ = index()
    assert code == 0
    assert "0 embedded now" in out
    assert content(tmp_path / "index") == before


def test_a_catalogue_that_moved_is_not_embedded_again(index, made, photos, tmp_path, content, monkeypatch):
    made()
    moved = tmp_path / "elsewhere"
    shutil.copytree(photos, moved, copy_function=shutil.copyfile)  # dates differ
    for name in ("broken.jpg", "cut.png"):
        (moved / name).unlink()
    code, out, _ = index(photos=moved, model=None)
    assert code == 0
    assert "11 photos, 0 skipped; 0 embedded now" in out
    assert "0 added, 0 changed, 0 removed" in out
    assert content(tmp_path / "index") == content(made(out="fresh", photos=moved))


def test_another_model_preparation_or_view_is_refused_until_it_is_meant(index, made, tmp_path, content):
    before = content(made())
    other = write_model(tmp_path / "other.safetensors", seed=1)
    squeezed = write_model(tmp_path / "squeezed.safetensors", photo="photo_squeezed_eval")
    for options, words in [
        ({"model": other}, "another model"),
        ({"model": squeezed}, "photos' preset photo_eval, not photo_squeezed_eval"),
        ({"mirror": "true"}, "mirror False, not True"),
        ({"scales": "[1,0.5]"}, "scales"),
        ({"batch_size": 32}, "batch_size 16, not 32"),
        ({"max_pixels": 5}, "max_pixels"),
    ]:
        code, _, error = index(**options)
        assert code == 1
        assert words in error
        assert "--overwrite true" in error
        assert len(error.splitlines()) == 1
        assert content(tmp_path / "index") == before
    changed = made("--overwrite", "true", model=other)
    assert content(changed) == content(made(out="fresh", model=other))


def test_a_renamed_model_of_the_same_weights_updates(index, made, model, tmp_path):
    made()
    shutil.copy(model, tmp_path / "published.safetensors")
    code, out, _ = index(model=tmp_path / "published.safetensors")
    assert code == 0
    assert "0 added, 0 changed, 0 removed" in out


def test_views_are_recorded_and_taken_over_by_an_update(made, index, photos, tmp_path, content, model):
    folder = made("--scales", "1", "0.75", "--mirror", "true")
    assert read_manifest(folder).views == {"scales": [1.0, 0.75], "mirror": True}
    encoder, name = load_encoder(model), rows(folder)[4]["id"]
    image = encoder.prepare(read_image(photos / name), "photo")[None]
    alone = encoder.embed(image, "photo", scales=(1.0, 0.75), mirror=True)[0]
    np.testing.assert_allclose(vectors(folder)[4], alone, atol=2e-6)
    draw(photos / "class1" / "new.png", 100)
    assert index(model=None)[0] == 0
    assert content(folder) == content(made("--scales", "1", "0.75", "--mirror", "true", out="fresh"))


def test_an_index_is_first_told_its_model_and_photos(index, tmp_path):
    assert "--model is missing" in index(model=None)[2]
    assert "--photos is missing" in index(photos=None)[2]
    assert not (tmp_path / "index").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"scales": [1, 1e9]}, "scales are .*below 16"),
        ({"scales": [0]}, "scales are"),
        ({"batch_size": 1_000_000}, "batch_size is 1,000,000; give 1 to 8,192"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"store": "ivff"}, "kind 'ivff' is not known; give auto, exact"),
        ({"store": "milvus://127.0.0.1/a-b"}, "no name of a collection"),
    ],
)
def test_settings_that_cannot_be_followed_are_refused_before_anything_is_made(index, tmp_path, options, words):
    code, _, err = index(**options)
    assert code == 1
    assert re.search(words, err)
    assert not (tmp_path / "index").exists()


@pytest.mark.parametrize(
    "options", [{"devices": 0}, {"devices": -3}, {"devices": "x"}, {"accelerator": "x"}, {"num_nodes": 0}]
)
def test_devices_that_there_are_not_are_said(index, options):
    code, _, err = index(**options)
    assert code == 1
    assert "leave --accelerator, --devices and --num_nodes out" in err
    assert len(err.splitlines()) == 1


def test_milvus_that_does_not_answer_is_noticed_before_the_photos_are_embedded(index, tmp_path):
    pytest.importorskip("pymilvus", reason="pymilvus is not installed: pip install 'hybrid-sbir[milvus]'")
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))  # taken, but nobody listens
        code, _, err = index(store=f"milvus://127.0.0.1:{server.getsockname()[1]}/photos")
    assert code == 1
    assert "see that Milvus runs there" in err
    assert not (tmp_path / "index").exists()


def test_no_photo_at_all_is_an_error_and_the_index_stays(index, made, photos, tmp_path, content):
    before = content(made())
    shutil.move(photos, tmp_path / "gone")
    photos.mkdir()
    code, _, error = index()
    assert code == 1
    assert "no photo in" in error
    assert {name: digest for name, digest in content(tmp_path / "index").items() if "/" not in name} == before
    photos.rmdir()
    assert "give a folder, a zip" in index()[2]


def test_a_folder_of_other_things_is_refused(index, tmp_path):
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "thesis.pdf").write_text("precious")
    assert "holds other things (thesis.pdf)" in index()[2]
    assert os.listdir(tmp_path / "index") == ["thesis.pdf"]  # noqa: PTH208
    (tmp_path / "file").write_text("")
    assert "is a file" in index(out="file")[2]


def test_two_processes_do_not_write_into_one_index(index, made, tmp_path, content):
    before = content(made())
    held = lock(tmp_path / "index")
    try:
        code, _, error = index()
    finally:
        unlock(held)
    assert code == 1
    assert "another process is indexing into" in error
    assert "give another --out" in error
    assert content(tmp_path / "index") == before


def test_files_of_no_manifest_are_tidied_away_and_others_stay(made, index, tmp_path, photos):
    folder = made()
    (folder / "vectors-0123456789ab.npy").write_bytes(b"left by a kill")
    (folder / ".vectors.123.part").write_bytes(b"left by a kill")
    (folder / "README").write_text("mine")
    draw(photos / "class1" / "new.png", 100)
    assert index()[0] == 0
    assert {path.name.split("-")[0] for path in folder.iterdir()} == {
        "README", "manifest.json", "model", "photos", "skipped", "vectors",
    }  # fmt: skip
    assert len(list(folder.iterdir())) == 6


@pytest.mark.parametrize("largest", [100, 2_000, 60_000])
def test_a_full_disk_leaves_the_index_that_stands(index, made, photos, tmp_path, content, largest):
    before = content(made())
    for number in range(40):
        draw(photos / "more" / f"{number}.png", 200 + number)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard))
    try:
        code, _, error = index()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 1, error
    assert "File too large" in error
    assert {name: digest for name, digest in content(tmp_path / "index").items() if "/" not in name} == before
    SketchSearch.load(tmp_path / "index")
    assert index()[0] == 0
    assert content(tmp_path / "index") == content(made(out="fresh"))


def test_a_folder_that_cannot_be_written_to_is_said(index, tmp_path, monkeypatch):
    (tmp_path / "index").mkdir()
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    code, _, error = index()
    assert code == 1
    assert "cannot write into the folder" in error
    assert "give --out a folder that you can write to" in error
