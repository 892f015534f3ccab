"""Real images for tests of what is done to images."""

import zipfile

import pytest

from hybrid_sbir.data.images import read_image


def some(archive, kind, count):
    with zipfile.ZipFile(archive) as opened:
        names = sorted(name for name in opened.namelist() if name.endswith(kind))
        return [read_image(opened.read(name), "L") for name in names[:: len(names) // count]]


@pytest.fixture(scope="session")
def some_sketches(shared):
    """Forty sketches of TU-Berlin and Sketchy."""
    data = shared / "data"
    return some(data / "tu_berlin" / "sketches_png.zip", ".png", 20) + some(
        data / "sketchy" / "sketchy_85.zip", ".png", 20
    )


@pytest.fixture(scope="session")
def some_photos(shared):
    """Twenty photos of Sketchy's."""
    return some(shared / "data" / "sketchy" / "sketchy_85.zip", ".jpg", 20)
