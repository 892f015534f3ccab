"""``data prepare`` on small archives in the official layouts: what is taken, what is reported, and all or nothing."""

import hashlib
import io
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hybrid_sbir.data.drawn_from import read_pairs
from hybrid_sbir.data.listfile import read_list, read_mapping
from hybrid_sbir.data.manifest import Manifest, split_part
from hybrid_sbir.data.preparation import intake, record
from hybrid_sbir.data.preparation.members import ArchiveError
from hybrid_sbir.data.preparation.prepare import PrepareError, prepare
from hybrid_sbir.data.preparation.staging import StagingError, staged


def image(seed, kind="PNG", size=(20, 16)):
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0]), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def tu_berlin(classes=3, each=10):
    return {f"png/class {c}/{c * each + i}.png": image(c * each + i) for c in range(classes) for i in range(each)}


def zipped(path, files, reverse=False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name in sorted(files, reverse=reverse):
            archive.writestr(name, files[name])
    return path


def unpacked(path, files) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def run(name, archive, root, **options):
    return prepare(name, archive, root, progress=False, workers=2, **options)


def tree(folder):
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_what_is_written(tmp_path):
    files = tu_berlin()
    archive = zipped(tmp_path / "sketches.zip", files | {"png/filelist.txt": b"x", "__MACOSX/png/._1.png": b"x"})
    manifest = run("tu_berlin", archive, tmp_path / "data")
    root = tmp_path / "data" / "tu_berlin"
    paths, labels = manifest.index()
    assert manifest == Manifest.load(root, verify=True)
    assert read_mapping(root / "mapping.txt") == {"class 0": 0, "class 1": 1, "class 2": 2}
    assert labels.tolist() == [0] * 10 + [1] * 10 + [2] * 10
    assert paths == sorted(paths)
    for line in (root / "index.tsv").read_text().splitlines():
        path, _, digest = line.split("\t")
        assert (root / path).read_bytes() == files[path.removeprefix("images/")]
        assert digest == hashlib.sha256((root / path).read_bytes()).hexdigest()
    assert manifest.problems == []
    assert [(group["reason"], group["paths"]) for group in manifest.ignored] == [
        ("hidden file of an operating system or tool", ["__MACOSX/png/._1.png"]),
        ("not a PNG or JPEG file", ["png/filelist.txt"]),
    ]
    assert manifest.differences == [
        "3 classes instead of the official 250",
        "3 classes do not have 80 samples: class 0 10, class 1 10, class 2 10",
    ]
    assert list(manifest.splits) == ["random80", "stratified80", *(f"kfold5_{fold}" for fold in range(5))]
    train, val = (split_part(root, "random80", part) for part in ("train", "val"))
    assert (len(train[0]), len(val[0])) == (24, 6)
    assert set(train[0]) | set(val[0]) == set(paths)
    assert read_list(root / "splits" / "random80" / "val.txt", root=root)[0] == val[0]
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["tu_berlin"]


def test_order_in_the_archive_and_its_kind_change_nothing(tmp_path):
    files = tu_berlin()
    first = run("tu_berlin", zipped(tmp_path / "a.zip", files), tmp_path / "1")
    second = run("tu_berlin", zipped(tmp_path / "b.zip", files, reverse=True), tmp_path / "2")
    third = run("tu_berlin", unpacked(tmp_path / "folder", files), tmp_path / "3")
    assert first.index_sha256 == second.index_sha256 == third.index_sha256
    assert first.splits == second.splits == third.splits
    other = run("tu_berlin", tmp_path / "a.zip", tmp_path / "4", split_seed=1)
    assert other.index_sha256 == first.index_sha256
    assert other.splits != first.splits


def test_a_folder_is_used_in_place(tmp_path):
    folder = unpacked(tmp_path / "sketches", tu_berlin() | {"png/class 0/bad.png": b"no image"})
    before = tree(folder)
    manifest = run("tu_berlin", folder, tmp_path / "data")
    assert (manifest.root / "images").resolve() == folder.resolve()
    assert manifest.archive["kind"] == "folder"
    assert [problem["path"] for problem in manifest.problems] == ["png/class 0/bad.png"]
    assert tree(folder) == before
    assert all((manifest.root / path).is_file() for path in manifest.index()[0])
    run("tu_berlin", folder, tmp_path / "data", split_seed=3, overwrite=True)
    assert tree(folder) == before, "replacing the data removes the link, not what it leads to"


def test_unusable_files_are_named_and_the_run_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(intake, "MAX_FILE_BYTES", 100_000)
    bomb = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(bomb, "PNG")
    bad = {
        "png/class 0/bomb.png": bomb.getvalue(),
        "png/class 0/text.png": b"hello",
        "png/class 0/cut.png": image(1)[:-100],
        "png/class 1/cut.jpg": image(1, "JPEG", (200, 200))[:2000],
        "png/class 1/large.png": image(1, size=(400, 400)),
        "png/class 1/empty.png": b"",
        "png/only bad/empty.png": b"",
    }
    archive = zipped(tmp_path / "sketches.zip", tu_berlin() | bad | {"png/outside.png": image(5), "top.png": image(6)})
    content = archive.read_bytes()
    archive.write_bytes(content.replace(image(7), image(7)[:-1] + b"?", 1))
    manifest = run("tu_berlin", archive, tmp_path / "data")
    reasons = {problem["path"]: problem["reason"] for problem in manifest.problems}
    assert set(reasons) == {*bad, "png/class 0/7.png"}
    assert "Bad CRC-32" in reasons["png/class 0/7.png"]
    assert reasons["png/class 0/bomb.png"].startswith("oversized: 10000 x 10000")
    assert reasons["png/class 1/large.png"].startswith("oversized: a file of")
    assert reasons["png/class 0/cut.png"].startswith("truncated")
    assert reasons["png/class 1/cut.jpg"].startswith("truncated")
    assert reasons["png/class 0/text.png"].startswith("unreadable: not an image")
    assert manifest.classes == ("class 0", "class 1", "class 2", "png")
    assert manifest.samples == 29 + 1
    assert [group["paths"] for group in manifest.ignored] == [["top.png"]]
    assert (manifest.root / "rejected" / "png/class 0/text.png").read_bytes() == b"hello"
    assert not (manifest.root / "images" / "png/class 0/text.png").exists()
    printed = capsys.readouterr().out
    assert all(f"problem: {path}: {reason}" in printed for path, reason in reasons.items())
    assert "ignored 1 (outside of any class folder): top.png" in printed


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_a_repeated_path_the_first_file_is_taken(tmp_path):
    archive = zipped(tmp_path / "sketches.zip", tu_berlin())
    with zipfile.ZipFile(archive, "a") as appended:
        appended.writestr("png/class 1/13.png", image(99))
    manifest = run("tu_berlin", archive, tmp_path / "data")
    assert [(problem["path"], problem["reason"][:8]) for problem in manifest.problems] == [
        ("png/class 1/13.png", "repeated")
    ]
    assert manifest.samples == 30
    assert (manifest.root / "images/png/class 1/13.png").read_bytes() == image(13)


def test_an_archive_of_refused_files_only_is_not_called_empty(tmp_path):
    archive = unpacked(tmp_path / "odd", {f"cat/{i}\n.png": image(i) for i in range(4)})
    with pytest.raises(
        ArchiveError,
        match=r"has 0 usable files, .*; 4 files cannot be used, the first ones 'cat/0\\n\.png': refused: a tab",
    ):
        run("folder", archive, tmp_path / "data")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ArchiveError, match="it is empty"):
        run("folder", tmp_path / "nothing", tmp_path / "data")


def test_many_problems_are_counted_on_the_screen_and_all_in_the_manifest(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(record, "_SHOWN", 2)
    bad = {f"png/class 0/bad{i}.png": b"" for i in range(5)}
    manifest = run("tu_berlin", zipped(tmp_path / "a.zip", tu_berlin() | bad), tmp_path / "data")
    assert "and 3 more problems, all in" in capsys.readouterr().out
    assert len(manifest.problems) == 5


def test_a_second_run_changes_nothing(tmp_path, capsys):
    archive = zipped(tmp_path / "sketches.zip", tu_berlin())
    manifest = run("tu_berlin", archive, tmp_path / "data")
    before = tree(tmp_path / "data")
    capsys.readouterr()
    assert run("tu_berlin", archive, tmp_path / "data") == manifest
    assert "already prepared from this archive with these options; nothing to do" in capsys.readouterr().out
    assert tree(tmp_path / "data") == before


def test_other_archives_and_options_need_overwrite(tmp_path):
    archive = zipped(tmp_path / "sketches.zip", tu_berlin())
    manifest = run("tu_berlin", archive, tmp_path / "data")
    before = tree(tmp_path / "data")
    with pytest.raises(
        PrepareError, match=r"was prepared with another options: .*give --overwrite true to.*or --into another"
    ):
        run("tu_berlin", archive, tmp_path / "data", split_seed=1)
    zipped(archive, tu_berlin(classes=2))
    with pytest.raises(PrepareError, match=r"was prepared with another archive: zip of \d+ bytes, sha256 "):
        run("tu_berlin", archive, tmp_path / "data")
    with pytest.raises(PrepareError, match="was prepared with another data set: tu_berlin, now folder"):
        run("folder", archive, tmp_path / "data", into="tu_berlin")
    assert tree(tmp_path / "data") == before
    assert len(run("tu_berlin", archive, tmp_path / "data", overwrite=True).classes) == 2
    assert manifest != Manifest.load(tmp_path / "data" / "tu_berlin", verify=True)
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["tu_berlin"]


def test_an_error_while_replacing_leaves_the_old_data(tmp_path):
    manifest = run("tu_berlin", zipped(tmp_path / "good.zip", tu_berlin()), tmp_path / "data")
    before = tree(tmp_path / "data")
    for bad in ({"notes.txt": b"text"}, {"png/cat/1.png": b"no image"}):
        with pytest.raises(ValueError, match=r"but no image where tu_berlin has them|has no usable sample; 1 problems"):
            run("tu_berlin", zipped(tmp_path / "bad.zip", bad), tmp_path / "data", overwrite=True)
    assert Manifest.load(manifest.root, verify=True) == manifest
    assert tree(tmp_path / "data").keys() == before.keys()


def test_what_was_not_made_by_prepare_is_never_replaced(tmp_path):
    archive = zipped(tmp_path / "sketches.zip", tu_berlin())
    mine = unpacked(tmp_path / "data" / "tu_berlin", {"mine.txt": b"precious", "manifest.json": b"{}"})
    with pytest.raises(PrepareError, match="exists and was not made by data prepare; move it away"):
        run("tu_berlin", archive, tmp_path / "data", overwrite=True)
    assert (mine / "mine.txt").read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"into": "../x"}, "into is '../x'; it must be the plain name of a folder"),
        ({"per_class": 0}, "per_class is 0; it must be at least 1"),
    ],
)
def test_bad_options(tmp_path, options, words):
    with pytest.raises(PrepareError, match=words):
        run("quickdraw", tmp_path, tmp_path / "data", **options)


def test_data_are_not_put_into_the_folder_they_are_made_from(tmp_path):
    unpacked(tmp_path, {"cat/1.png": image(1)})
    with pytest.raises(PrepareError, match=r"lies in the folder .* that it is made from"):
        run("folder", tmp_path, tmp_path)


def test_without_an_archive_it_says_how_to_get_one(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"no .*sketches_png\.zip; .*hybrid-sbir data download tu_berlin --root"
    ):
        run("tu_berlin", None, tmp_path)
    with pytest.raises(FileNotFoundError, match="ImageNet is given out after registration"):
        run("imagenet", None, tmp_path)


KILLED = """
import sys, time
from hybrid_sbir.data.preparation import intake
decode = intake._hash_and_decode
def slowly(file):
    print("decoding", flush=True)
    time.sleep(0.05)
    return decode(file)
intake._hash_and_decode = slowly
from hybrid_sbir.data.preparation.prepare import prepare
prepare("tu_berlin", sys.argv[1], sys.argv[2], workers=1, split_seed=int(sys.argv[3]), overwrite=True)
"""


def kill_half_way(archive, root, seed=0):
    command = [sys.executable, "-c", KILLED, str(archive), str(root), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2], text=True) as process:
        for _ in range(5):
            assert process.stdout.readline() == "decoding\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


def test_killed_half_way_nothing_looks_finished_and_it_simply_runs_again(tmp_path):
    archive, root = zipped(tmp_path / "sketches.zip", tu_berlin()), tmp_path / "data"
    kill_half_way(archive, root)
    assert [path.name for path in root.iterdir()] == [".tu_berlin.preparing"]
    with pytest.raises(FileNotFoundError, match=r"no prepared data .*hybrid-sbir data prepare tu_berlin --archive"):
        Manifest.load(root / "tu_berlin")
    manifest = run("tu_berlin", archive, root)
    assert [path.name for path in root.iterdir()] == ["tu_berlin"]
    kill_half_way(archive, root, seed=1)
    assert Manifest.load(root / "tu_berlin", verify=True) == manifest


def test_killed_between_the_two_renames_the_old_data_come_back(tmp_path):
    archive, root = zipped(tmp_path / "sketches.zip", tu_berlin()), tmp_path / "data"
    manifest = run("tu_berlin", archive, root)
    (root / "tu_berlin").rename(root / ".tu_berlin.previous")
    assert run("tu_berlin", archive, root) == manifest


def test_two_runs_at_once(tmp_path):
    archive = zipped(tmp_path / "sketches.zip", tu_berlin())
    with staged(tmp_path / "data" / "tu_berlin") as other:
        with pytest.raises(StagingError, match=r"another process is preparing .*tu_berlin now; wait for it"):
            run("tu_berlin", archive, tmp_path / "data")
        (other / "manifest.json").touch()
    assert [path.name for path in (tmp_path / "data" / "tu_berlin").iterdir()] == ["manifest.json"]


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(record, "mapping_bytes", full)
    with pytest.raises(PrepareError, match=r"the disk of .*tu_berlin is full; free some space and run it again"):
        run("tu_berlin", zipped(tmp_path / "sketches.zip", tu_berlin()), tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []


def test_sketchy_keeps_a_photo_and_its_sketches_together(tmp_path):
    files = {}
    for number in range(12):
        name = f"n{number // 6}_{number}"
        cls = f"{'photo'}/tx_000000000000/{['cat', 'dog'][number // 6]}"
        files[f"256x256/{cls}/{name}.jpg"] = image(number, "JPEG")
        files[f"256x256/{cls.replace('000', '111', 1)}/{name}.jpg"] = image(number, "JPEG")
        for k in (1, 2):
            files[f"256x256/{cls.replace('photo', 'sketch')}/{name}-{k}.png"] = image(number * 10 + k)
    manifest = run("sketchy", zipped(tmp_path / "sketchy.zip", files), tmp_path / "data")
    assert manifest.classes == ("cat", "dog")
    assert manifest.samples == 36
    assert [group["count"] for group in manifest.ignored] == [12]
    assert "another rendering" in manifest.ignored[0]["reason"]
    for split in ("random80", "stratified80", "kfold5_2"):
        photos = [
            {Path(path).stem.split("-")[0] for path in manifest.split_part(split, part)[0]} for part in ("train", "val")
        ]
        assert not photos[0] & photos[1]
    assert all("/photo/" in path for path in manifest.split_part("retrieval", "catalogue")[0])
    assert all("/sketch/" in path for path in manifest.split_part("retrieval", "queries")[0])


WNIDS = ("n00000001", "n00000002")


@pytest.mark.parametrize("form", ["nested", "tiny", "kaggle"])
def test_imagenet_validation_in_its_three_forms(tmp_path, form):
    files = {f"top/train/{wnid}/images/{wnid}_{i}.JPEG": image(i, "JPEG") for wnid in WNIDS for i in range(3)}
    files["top/test/images/test_0.JPEG"] = image(9, "JPEG")
    for i, wnid in enumerate(WNIDS):
        folder = {"nested": f"top/val/{wnid}", "tiny": "top/val/images", "kaggle": "top/val"}[form]
        files[f"{folder}/v_{i}.JPEG"] = image(i, "JPEG")
    if form == "tiny":
        rows = "".join(f"v_{i}.JPEG\t{wnid}\t0\t0\t9\t9\n" for i, wnid in enumerate(WNIDS))
        files["top/val/val_annotations.txt"] = rows.encode()
    if form == "kaggle":
        rows = "".join(f"v_{i},{wnid} 1 2 3 4 n00000009 1 2 3 4 \n" for i, wnid in enumerate(WNIDS))
        files["LOC_val_solution.csv"] = b"ImageId,PredictionString\n" + rows.encode()
    if form != "nested":
        files["top/val/images/v_7.JPEG"] = image(7, "JPEG")
    manifest = run("imagenet", zipped(tmp_path / "imagenet.zip", files), tmp_path / "data")
    assert manifest.classes == WNIDS
    assert manifest.split_part("official", "val")[1].tolist() == [0, 1]
    assert len(manifest.split_part("official", "train")[0]) == 6
    assert "6 train images instead of the official 1281167" in manifest.differences
    unused = {path for group in manifest.ignored for path in group["paths"] if path.endswith("JPEG")}
    assert unused == {"top/test/images/test_0.JPEG"} | ({"top/val/images/v_7.JPEG"} if form != "nested" else set())


def test_imagenets_archive_of_archives_is_explained(tmp_path):
    archive = zipped(tmp_path / "train.zip", {f"{wnid}.tar": b"" for wnid in WNIDS})
    with pytest.raises(ArchiveError, match=r"holds 2 archives, one a class .*unpack them into folders train/WNID"):
        run("imagenet", archive, tmp_path / "data")


@pytest.mark.parametrize(
    ("paths", "classes", "official"),
    [
        (["cat/1.png", "dog/1.png"], ("cat", "dog"), ()),
        (["photos/v2/cat/1.png", "photos/v2/dog/a/b.jpeg", "photos/v2/dog/a/c.JPG"], ("cat", "dog"), ()),
        (["x/train/cat/1.png", "x/valid/cat/2.png", "x/test/dog/3.png"], ("cat", "dog"), ("train", "val", "test")),
        (["cat/1.png", "cat/2.png", "0.png"], ("cat",), ()),
    ],
)
def test_folders_of_class_folders(tmp_path, paths, classes, official):
    archive = zipped(
        tmp_path / "mine.zip", {path: image(i, "JPEG" if "j" in path else "PNG") for i, path in enumerate(paths)}
    )
    manifest = run("folder", archive, tmp_path / "data", into="mine")
    assert manifest.root == tmp_path / "data" / "mine"
    assert manifest.classes == classes
    assert tuple(manifest.splits.get("official", {"parts": ()})["parts"]) == official
    if len(classes) == 1:
        assert "only one class, 'cat': nothing to tell apart" in manifest.differences


def test_a_tiny_folder_has_only_the_splits_it_is_large_enough_for(tmp_path):
    manifest = run("folder", zipped(tmp_path / "mine.zip", {"cat/1.png": image(1)}), tmp_path / "data")
    assert manifest.splits == {}
    assert "no split random80: there are too few samples for its train" in manifest.differences
    with pytest.raises(ValueError, match=r"no part 'train' of a split 'random80' in .*; there are: no splits"):
        manifest.split_part("random80", "train")


@pytest.mark.parametrize(
    ("name", "archive", "options", "samples"),
    [
        ("sketchy", "sketchy/sketchy_85.zip", {}, 4250),
        ("quickdraw", "quickdraw/simplified.zip", {}, 18_113),
        ("quickdraw", "quickdraw/numpy_bitmap.zip", {"form": "numpy_bitmap"}, 26_583),
        pytest.param("tu_berlin", "tu_berlin/sketches_png.zip", {}, 20_000, marks=pytest.mark.slow),
        pytest.param("folder", "photos/photos_90.zip", {}, 7893, marks=pytest.mark.slow),
        pytest.param("imagenet", "imagenet/tiny-imagenet-200_subset.zip", {}, 20_200, marks=pytest.mark.slow),
    ],
)
def test_real_archives(shared, tmp_path, name, archive, options, samples):
    manifest = run(name, shared / "data" / archive, tmp_path, **options)
    assert manifest.samples == samples
    assert manifest.problems == []
    assert manifest.differences == [] or name != "tu_berlin", "the complete set has its official counts"
    if name == "sketchy":
        pairs = read_pairs(manifest.root)
        assert sorted(pairs) == sorted(manifest.split_part("retrieval", "queries")[0]), "each sketch has its photo"
        assert 3 * 85 <= len(set(pairs.values())) <= 5 * 85
        label = dict(zip(*manifest.index(), strict=True))
        assert all(label[sketch] == label[photo] for sketch, photo in pairs.items())
