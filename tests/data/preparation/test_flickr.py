"""Flickr25k and Flickr15k in their official layouts, and what photo a sketch of Sketchy's was drawn from."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hybrid_sbir.data.drawn_from import read_pairs
from hybrid_sbir.data.listfile import ListFileError
from hybrid_sbir.data.manifest import Manifest
from hybrid_sbir.data.preparation.members import ArchiveError
from hybrid_sbir.data.preparation.prepare import prepare

TRUTH = """\
1 bridge/1.mat
1 bridge/2.mat
1 arch/1.mat
2 moon/1.mat
2 sun/1.mat
2 coin/1.mat
2 coin/2.mat
2 clock/1.mat
3 arch/2.mat
"""


def image(seed, kind="JPEG"):
    pixels = np.random.default_rng(seed).integers(0, 256, (14, 18), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def unpacked(path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def flickr15k(truth=TRUTH, above="images/source"):
    photos = dict.fromkeys(line.split(" ", 1)[1].removesuffix(".mat") for line in truth.splitlines())
    files = {f"{above}/{photo}.jpg": image(number) for number, photo in enumerate(photos)}
    files |= {f"330sketches/{drawer}/{c}.png": image(c, "PNG") for drawer in (1, 2, 10) for c in (1, 2, 3)}
    return files | {"groundtruth": truth.encode()}


def run(name, archive, root, **options):
    return prepare(name, archive, root, progress=False, workers=2, **options)


def classes_of(manifest):
    paths, labels = manifest.index()
    return {path.removeprefix("images/"): int(label) for path, label in zip(paths, labels, strict=True)}


def test_flickr15k_by_its_ground_truth(tmp_path):
    manifest = run("flickr15k", unpacked(tmp_path / "archive", flickr15k()), tmp_path / "data")
    assert manifest.classes == ("01 bridge+arch", "02 coin+clock+moon and 1 more", "03 arch")
    label = classes_of(manifest)
    assert (label["images/source/arch/1.jpg"], label["images/source/arch/2.jpg"]) == (0, 2), "one folder, two classes"
    assert {label[f"images/source/{photo}.jpg"] for photo in ("moon/1", "sun/1", "coin/2", "clock/1")} == {1}
    assert [label[f"330sketches/10/{k}.png"] for k in (1, 2, 3)] == [0, 1, 2], "sketch k is of class k - 1"
    assert list(manifest.splits) == ["retrieval"]
    assert len(manifest.split_part("retrieval", "catalogue")[0]) == 9
    assert len(manifest.split_part("retrieval", "queries")[0]) == 9
    assert "9 photo images instead of the official 14660" in manifest.differences
    assert Manifest.load(manifest.root, verify=True) == manifest


@pytest.mark.parametrize("above", ["resize_img", "Flickr15k/images", "a b/c"])
def test_flickr15k_wherever_its_photos_are(tmp_path, above):
    manifest = run("flickr15k", unpacked(tmp_path / "archive", flickr15k(above=above)), tmp_path / "data")
    assert manifest.samples == 18


def test_what_flickr15ks_ground_truth_does_not_have_is_said(tmp_path):
    files = flickr15k() | {"330sketches/1/4.png": image(4, "PNG"), "images/source/coin/9.jpg": image(9)}
    files |= {"resize_img/coin/1.jpg": image(1)}
    del files["images/source/moon/1.jpg"]
    truth = TRUTH + "3 coin/1.mat\n1 coin/1.mat\n\n"
    manifest = run("flickr15k", unpacked(tmp_path / "archive", files | {"groundtruth": truth.encode()}), tmp_path / "d")
    ignored = {group["reason"]: group["paths"] for group in manifest.ignored}
    assert ignored["a sketch of a class that the ground truth does not have"] == ["330sketches/1/4.png"]
    assert ignored["a photo that the ground truth does not have"] == ["images/source/coin/9.jpg"]
    assert ignored["another copy of a photo"] == ["resize_img/coin/1.jpg"]
    assert classes_of(manifest)["images/source/coin/1.jpg"] == 1, "the first class that is given counts"
    assert "1 photos of the ground truth are not there: moon/1" in manifest.differences
    several = "1 photos are in several classes of the ground truth, of which the first one counts: coin/1"
    assert several in manifest.differences


@pytest.mark.parametrize(
    ("truth", "words"),
    [
        ("1 bridge/1.jpg\nbridge 2\n", r"groundtruth, line 2: expected CLASS FOLDER/NAME.jpg, got 'bridge 2'"),
        ("1 bridge.jpg\n", "line 1: expected CLASS FOLDER/NAME.jpg"),
        ("100 bridge/1.jpg\n", "line 1: expected CLASS"),
    ],
)
def test_a_ground_truth_that_cannot_be_read_is_refused(tmp_path, truth, words):
    files = flickr15k() | {"groundtruth": truth.encode()}
    with pytest.raises(ArchiveError, match=words):
        run("flickr15k", unpacked(tmp_path / "archive", files), tmp_path / "data")
    assert not any((tmp_path / "data").glob("*")), "nothing half-made is left"


def test_flickr15k_needs_one_ground_truth(tmp_path):
    files = flickr15k()
    files["images/groundtruth"] = files["groundtruth"]
    both = unpacked(tmp_path / "both", files)
    assert run("flickr15k", both, tmp_path / "data").samples == 18, "two copies are one"
    (both / "groundtruth").write_text("1 bridge/1.jpg\n")
    with pytest.raises(ArchiveError, match="has different ground truths: groundtruth, images/groundtruth; keep one"):
        run("flickr15k", both, tmp_path / "other")
    (both / "groundtruth").unlink()
    (both / "images" / "groundtruth").unlink()
    with pytest.raises(ArchiveError, match="has no file groundtruth, which says what classes"):
        run("flickr15k", both, tmp_path / "other")


def test_without_flickr15ks_sketches_there_is_no_retrieval(tmp_path):
    files = {path: content for path, content in flickr15k().items() if "sketches" not in path}
    manifest = run("flickr15k", unpacked(tmp_path / "archive", files), tmp_path / "data")
    assert manifest.splits == {}
    assert "no split retrieval: there are too few samples for its queries" in manifest.differences


def test_flickr25k_is_photos_in_class_folders(tmp_path):
    files = {f"Flickr25K/{name}/{i}.jpg": image(i) for name in ("hot-dog", "car (sedan)") for i in range(10)}
    manifest = run("flickr25k", unpacked(tmp_path / "archive", files), tmp_path / "data")
    assert manifest.classes == ("car (sedan)", "hot-dog")
    assert "retrieval" not in manifest.splits
    assert len(manifest.split_part("stratified80", "val")[0]) == 4
    assert "20 photo images instead of the official 25000" in manifest.differences


@pytest.mark.parametrize("folder", ["sketches", "png"])
def test_flickr25k_with_its_sketches_beside(tmp_path, folder):
    files = {f"photos/{name}/{i}.jpg": image(i) for name in ("cat", "dog") for i in range(20)}
    files |= {f"{folder}/{name}/{i}.png": image(i, "PNG") for name in ("cat", "dog") for i in range(5)}
    manifest = run("flickr25k", unpacked(tmp_path / "archive", files), tmp_path / "data")
    assert manifest.classes == ("cat", "dog")
    catalogue, queries = (manifest.split_part("retrieval", part)[0] for part in ("catalogue", "queries"))
    assert (len(catalogue), len(queries)) == (40, 10)
    held = manifest.split_part("stratified80", "val")[0]
    assert sum(f"/{folder}/" in path for path in held) == 2, "a fifth of the sketches of each class"
    assert len(held) == 10


def sketchy(photos=3, sketches=2):
    files = {}
    for number in range(photos):
        files[f"256x256/photo/tx_000000000000/cat/n_{number}.jpg"] = image(number)
        for k in range(1, sketches + 1):
            files[f"256x256/sketch/tx_000000000000/cat/n_{number}-{k}.png"] = image(k, "PNG")
    return files


def test_sketchy_says_which_photo_a_sketch_was_drawn_from(tmp_path):
    files = sketchy() | {"256x256/sketch/tx_000000000000/cat/n_7-1.png": image(7, "PNG")}
    manifest = run("sketchy", unpacked(tmp_path / "archive", files), tmp_path / "data")
    pairs = read_pairs(manifest.root)
    assert len(pairs) == 6, "the photo of n_7-1 is not in the set"
    paths = set(manifest.index()[0])
    for sketch, photo in pairs.items():
        assert {sketch, photo} <= paths
        assert Path(sketch).stem.rpartition("-")[0] == Path(photo).stem
    assert "pairs.txt" in manifest.files, "guarded by its hash"


def test_sets_without_pairs_say_so(tmp_path):
    manifest = run("flickr25k", unpacked(tmp_path / "archive", {"cat/1.jpg": image(1)}), tmp_path / "data")
    with pytest.raises(FileNotFoundError, match=r"no .*pairs\.txt: of this set it is not known .* prepared again"):
        read_pairs(manifest.root)
    (manifest.root / "pairs.txt").write_text("a\tb\na\tc\n")
    with pytest.raises(ListFileError, match=r"line 2: expected sketch<TAB>photo, each sketch once, got 'a\\tc'"):
        read_pairs(manifest.root)


@pytest.mark.parametrize("name", ["flickr25k", "flickr15k"])
def test_without_an_archive_it_says_how_to_get_one(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=f"hybrid-sbir data prepare {name} --archive"):
        run(name, None, tmp_path)
