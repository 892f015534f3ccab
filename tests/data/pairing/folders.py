"""Two folders of class folders whose pixels say what they are: a sketch's grey level and a photo's colour."""

import numpy as np
import torch
from PIL import Image

from hybrid_sbir.data.datamodules import Folder, SketchPhotoData
from hybrid_sbir.data.transforms import IMAGENET

CLASSES = ("ant", "bee", "cat", "dog", "eel", "fox")
PER_CLASS = 10
SIDE = 12
PLAIN = {
    "size": SIDE,
    "batch_size": 8,
    "num_workers": 0,
    "sketch_train": "sketch_eval",  # nothing random, so that the pixels still say what they are
    "photo_train": "photo_eval",
}


def fill(root, sketch_classes=CLASSES, photo_classes=CLASSES, per_class=PER_CLASS):
    """Write ``root/sketches`` and ``root/photos``."""
    for domain, classes in (("sketches", sketch_classes), ("photos", photo_classes)):
        for label, name in enumerate(classes):
            folder = root / domain / name
            folder.mkdir(parents=True)
            for number in range(per_class):
                colour = 4 * (label * 10 + number) if domain == "sketches" else (label * 40, number * 25, 7)
                mode = "L" if domain == "sketches" else "RGB"
                Image.new(mode, (SIDE, SIDE), colour).save(folder / f"{number}.png")
    return root


def data(root, **options):
    """The module over two such folders."""
    split = {"split": "stratified80"}
    return SketchPhotoData(
        Folder(str(root / "sketches"), **split), Folder(str(root / "photos"), **split), **{**PLAIN, **options}
    )


def pixel(images):
    """The 8-bit value of each image's middle pixel, (N, 3)."""
    mean, std = (torch.tensor(values).view(1, 3) for values in IMAGENET)
    middle = images[:, :, SIDE // 2, SIDE // 2]
    return ((middle * std + mean) * 255).round().long()


def sketch_shown(images):
    """Class and number of the sketches that images show."""
    value = pixel(images)[:, 0] // 4
    return torch.stack([value // 10, value % 10], dim=1)


def photo_shown(images):
    """Class and number of the photos that images show."""
    value = pixel(images)
    return torch.stack([value[:, 0] // 40, value[:, 1] // 25], dim=1)


class World:
    """What the module asks a trainer for."""

    training = True
    state = None

    def __init__(self, rank, size):
        self.global_rank, self.world_size = rank, size


def as_process(module, rank, size):
    """Let the module believe that it is one process of several."""
    module.trainer = World(rank, size)
    return module


def epoch(loader):
    """All batches of one pass, copied."""
    return [type(batch)(*(part.clone() for part in batch)) for batch in loader]


def same(left, right):
    """Whether two lists of batches agree to the bit."""
    return len(left) == len(right) and all(
        torch.equal(a, b) for one, other in zip(left, right, strict=True) for a, b in zip(one, other, strict=True)
    )


def labels_of(root):
    """Training labels of the sketches, from the module's own part."""
    return np.asarray(data(root).training.sketches.labels)
