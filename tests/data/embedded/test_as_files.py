"""Folders written from the embedded set are read back as one's own would be."""

import numpy as np
import pytest

from hybrid_sbir.data.datamodules import Folder
from hybrid_sbir.data.embedded import EmbeddedStore
from hybrid_sbir.data.embedded.as_files import write_folder
from hybrid_sbir.data.images import read_image


@pytest.mark.parametrize(("domain", "ending"), [("sketch", ".png"), ("photo", ".webp")])
def test_each_sample_is_a_file_in_its_classes_folder(tmp_path, domain, ending):
    store = EmbeddedStore(domain=domain, per_class=3, size=24, classes=("cup", "apple"))
    root = write_folder(store, tmp_path / "new" / domain, ending)
    names = sorted(str(path.relative_to(root)) for path in root.rglob(f"*{ending}"))
    assert names == [f"{name}/00{number}{ending}" for name in ("apple", "cup") for number in range(3)]
    assert Folder(str(root)).classes == ("apple", "cup")
    if ending == ".png":
        for index, path in ((0, "cup/000.png"), (5, "apple/002.png")):
            np.testing.assert_array_equal(np.asarray(read_image(root / path)), np.asarray(store.read(index)))


def test_what_is_there_stays_and_other_endings_are_refused(tmp_path):
    store = EmbeddedStore(per_class=1, size=16, classes=("cup",))
    with pytest.raises(FileExistsError, match="is there already; name a new folder"):
        write_folder(store, tmp_path)
    with pytest.raises(ValueError, match=r"ending is '\.gif'; it can be \.png, \.jpg or \.webp"):
        write_folder(store, tmp_path / "new", ".gif")
    assert not (tmp_path / "new").exists()
