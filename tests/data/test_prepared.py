"""Data modules over what ``data prepare`` writes, of small archives in the official layouts and of real ones."""

import json
import zipfile
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from hybrid_sbir.data.datamodules import ImageNet, Prepared, QuickDraw, TUBerlin
from hybrid_sbir.data.manifest import ManifestError
from hybrid_sbir.data.preparation.prepare import prepare
from hybrid_sbir.data.splits import HELD_OUT

SMALL = {"size": 16, "batch_size": 4, "num_workers": 0}


def png(rng, side=20):
    buffer = BytesIO()
    Image.fromarray(rng.integers(0, 256, (side, side), dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Prepared data: TU-Berlin and ImageNet in small, QuickDraw in both forms."""
    root = tmp_path_factory.mktemp("prepared")
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(root / "tu.zip", "w") as archive:
        for i in range(60):
            archive.writestr(f"png/{('ant', 'bee', 'wine glass')[i % 3]}/{i}.png", png(rng))
    with zipfile.ZipFile(root / "imagenet.zip", "w") as archive:
        for part, count in (("train", 6), ("val", 3)):
            for wnid in ("n00000001", "n00000002"):
                for i in range(count):
                    archive.writestr(f"{part}/{wnid}/{wnid}_{i}.JPEG", png(rng))
    with (
        zipfile.ZipFile(root / "simplified.zip", "w") as archive,
        zipfile.ZipFile(root / "bitmaps.zip", "w") as bitmaps,
    ):
        for position, name in enumerate(("airplane", "cat", "ant")):
            lines = [{"key_id": str(position * 100 + i), "drawing": [[[0, 9, i], [i, 0, 255]]]} for i in range(20)]
            archive.writestr(f"{name}.ndjson", "\n".join(json.dumps(line) for line in lines))
            with bitmaps.open(f"{name}.npy", "w") as file:
                np.save(file, rng.integers(0, 256, (20, 784), dtype=np.uint8))
    prepare("tu_berlin", root / "tu.zip", root, progress=False)
    prepare("imagenet", root / "imagenet.zip", root, progress=False)
    prepare("quickdraw", root / "simplified.zip", root, progress=False)
    prepare("quickdraw", root / "bitmaps.zip", root, form="numpy_bitmap", into="bitmaps", progress=False)
    return root


def test_tu_berlin(root):
    data = TUBerlin(str(root), **SMALL)
    assert (data.num_classes, data.channels, data.classes) == (3, 1, ("ant", "bee", "wine glass"))
    data.setup("fit")
    assert (len(data.part("train")), len(data.part("val")), len(data.part("test"))) == (48, 12, 12)
    store = data.part("val")
    assert all(store.name(i).split("/")[-2] == data.classes[store.labels[i]] for i in range(12))
    assert next(iter(data.train_dataloader())).image.shape == (4, 1, 16, 16)


def test_other_splits_and_fingerprints(root):
    modules = [TUBerlin(str(root), split, **SMALL) for split in ("random80", "stratified80", "kfold5_0", "kfold5_4")]
    modules += [TUBerlin(str(root), max_classes=2, **SMALL), QuickDraw(str(root), **SMALL)]
    assert len({data.fingerprint for data in modules}) == 6
    assert np.bincount(modules[1].part("val").labels).tolist() == [4, 4, 4]


def test_imagenet_is_coloured_and_normalised_as_photos(root):
    data = ImageNet(str(root), min_side=24, **SMALL)
    data.setup("fit")
    assert (data.channels, len(data.part("train")), len(data.part("val"))) == (3, 12, 6)
    assert next(iter(data.val_dataloader())).image.shape == (4, 3, 16, 16)
    assert data.train_transform.std == (0.229, 0.224, 0.225)
    with pytest.raises(ValueError, match="min_side must be a positive number of pixels, got -1"):
        ImageNet(str(root), min_side=-1)


def test_quickdraw_strokes_leave_the_held_out_classes_out(root):
    data = QuickDraw(str(root), stroke_width=0.1, **SMALL)
    assert data.classes == ("airplane", "cat")
    data.setup("fit")
    assert (len(data.part("train")), len(data.part("val"))) == (32, 8)
    assert sorted(set(data.part("train").labels)) == [0, 1]
    assert data.part("val").read(0).size == (18, 18), "drawn with the side that evaluation scales to"
    assert QuickDraw(str(root), split="random80", **SMALL).num_classes == 3


def test_quickdraw_bitmaps(root):
    data = QuickDraw(str(root), name="bitmaps", **SMALL)
    data.setup("validate")
    assert data.part("val").read(0).size == (28, 28)
    assert data.part("val").name(0).split("/")[0] in ("airplane", "cat")


def test_packing_changes_no_batch(root, tmp_path):
    for cls, name in ((TUBerlin, "tu_berlin"), (QuickDraw, "quickdraw"), (QuickDraw, "bitmaps")):
        plain = cls(str(root), name=name, **SMALL)
        packed = cls(str(root), name=name, pack=str(tmp_path / "packs"), pack_side=1000, **SMALL)
        packed.prepare_data()
        for stage in ("train", "val"):
            loaders = (getattr(data, f"{stage}_dataloader")() for data in (plain, packed))
            for left, right in zip(*loaders, strict=True):
                assert all(map(torch.equal, left, right))
        assert plain.fingerprint == packed.fingerprint


def test_the_command_that_prepares_is_named(tmp_path, root):
    with pytest.raises(FileNotFoundError, match="hybrid-sbir data prepare tu_berlin --archive ARCHIVE --root"):
        TUBerlin(str(tmp_path))
    with pytest.raises(ManifestError, match=r"no split 'mine' in .*; there are: random80, stratified80"):
        TUBerlin(str(root), "mine")
    with pytest.raises(ManifestError, match="no part 'train' of a split 'zero_shot'"):
        QuickDraw(str(root), split="zero_shot", **SMALL).setup("fit")


def test_any_prepared_set_by_its_name(root):
    assert Prepared("tu_berlin", str(root), **SMALL).num_classes == 3


@pytest.mark.slow
def test_real_quickdraw(shared, tmp_path):
    prepare("quickdraw", shared / "data" / "quickdraw" / "simplified.zip", tmp_path, progress=False)
    data = QuickDraw(str(tmp_path), size=64, num_workers=2)
    data.setup("fit")
    assert data.num_classes == 300
    assert not set(data.classes) & set(HELD_OUT)
    seen = [batch.index for batch in data.val_dataloader()]
    assert torch.equal(torch.cat(seen), torch.arange(len(data.part("val"))))
