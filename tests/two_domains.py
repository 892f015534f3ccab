"""Two folders of class folders: line drawings on white and coloured photos of the same classes."""

import numpy as np
from PIL import Image

CLASSES = ("ant", "bee", "cat", "dog", "eel", "fox")
OTHER_CLASSES = ("gnu", "hen", "ibis", "jay", "kiwi")
PER_CLASS = 10


def draw(root, classes=CLASSES, per_class=PER_CLASS, seed=0):
    """Write ``root/sketches`` and ``root/photos``, which no class and no number has alike; returns ``root``."""
    rng = np.random.default_rng(seed)
    for label, name in enumerate(classes):
        for domain in ("sketches", "photos"):
            (root / domain / name).mkdir(parents=True)
        for number in range(per_class):
            sketch(label, rng).save(root / "sketches" / name / f"{number}.png")
            photo(label, rng).save(root / "photos" / name / f"{number}.png")
    return root


def sketch(label, rng):
    """Dark lines on a wide white sheet, one of them along each short side, at a distance of their own."""
    pixels = np.full((28, 40), 255, np.uint8)
    pixels[:, [1, -2]] = 0
    pixels[4 + 3 * label + rng.integers(0, 2)] = 0
    pixels[rng.integers(0, 28, 9), rng.integers(0, 40, 9)] = 0
    return Image.fromarray(pixels)


def photo(label, rng):
    """Colour and bands of a class, with noise."""
    pixels = rng.integers(0, 160, (30, 36, 3))
    pixels[..., label % 3] += 60
    pixels[:: label + 2] //= 2
    return Image.fromarray(pixels.astype(np.uint8))


def roots(root):
    """Options of a command line that put the folders into two-domain data."""
    return [
        *("--data.init_args.sketches.init_args.root", str(root / "sketches")),
        *("--data.init_args.photos.init_args.root", str(root / "photos")),
    ]
