"""Photos as batches of pixels of one size, read and decoded in loading processes.

Shapes: B batch size, N photos of a batch that could be decoded, S side of what the model is given.
"""

import hashlib
import signal
import sys
import warnings
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from hybrid_sbir.data.images import ImageProblem, read_image
from hybrid_sbir.data.transforms import Transform
from hybrid_sbir.search.building.job import Job
from hybrid_sbir.search.building.plan import Plan, batch
from hybrid_sbir.search.catalogue import Catalogue, Entry


class PhotoBatch(NamedTuple):
    """A batch.

    Attributes:
        pixels: (B, S, S) or (B, S, S, 3), uint8; the first N are photos. Always B, because matrix products of another
            size round differently: so a photo's vector does not depend on how many others share its batch.
        entries: the photos, in order, with their SHA-256; each with the reason why it is skipped, or None.
    """

    pixels: Tensor
    entries: list[tuple[Entry, str | None]]


class PhotoBatches(Dataset[PhotoBatch]):
    """The batches of a plan, by number.

    Args:
        job: what is built.
        plan: its plan.
    """

    def __init__(self, job: Job, plan: Plan) -> None:
        # Not the job itself: it holds the model, which loading processes have no use for.
        self._catalogue: Catalogue = job.catalogue
        self._side, self._settings, self._batches = job.side, job.settings, plan.batches
        self._transform: Transform = job.encoder.transform("photo")

    def __len__(self) -> int:
        return self._batches

    def __getitem__(self, number: int) -> PhotoBatch:
        entries: list[tuple[Entry, str | None]] = []
        drawn: list[np.ndarray] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on odd files: a file is decoded, or listed with a reason
            for entry in batch(self._side, number, self._settings.batch_size):
                try:
                    entry, pixels = self._drawn(entry)
                    drawn.append(pixels)
                    entries.append((entry, None))
                except ImageProblem as problem:
                    entries.append((entry, problem.reason))
                except (OSError, MemoryError) as problem:
                    entries.append((entry, _reason(problem)))
        return PhotoBatch(torch.from_numpy(self._filled(drawn)), entries)

    def _drawn(self, entry: Entry) -> tuple[Entry, np.ndarray]:
        content = self._catalogue.read(entry.id, self._settings.max_bytes)
        image = read_image(content, max_pixels=self._settings.max_pixels, name=entry.id)
        pixels = self._transform.pixels(_shown(image, self._transform.channels), None)
        return entry._replace(sha256=hashlib.sha256(content).hexdigest()), pixels

    def _filled(self, drawn: list[np.ndarray]) -> np.ndarray:
        size, colours = self._transform.size, (3,) if self._transform.channels == 3 else ()
        pixels = np.zeros((self._settings.batch_size, size, size, *colours), np.uint8)
        for place, each in enumerate(drawn):
            pixels[place] = each
        return pixels


def quiet_worker(number: int) -> None:
    """Leave signals to the process that started this one, for Ctrl-C reaches all of them, and end with it in silence.

    A thread that hands batches over would print that nobody takes them any more; errors of reading take another way.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.excepthook = lambda *_: None


def _shown(image: Image.Image, channels: int) -> Image.Image:
    """Grey photos as the same in colours, so that a batch is of one shape; the values are those of the grey ones."""
    return image.convert("RGB") if channels == 3 and image.mode == "L" else image


def _reason(problem: Exception) -> str:
    if isinstance(problem, FileNotFoundError):
        return "missing: no such file"
    if isinstance(problem, MemoryError):
        return "oversized: not enough memory to decode it"
    words = problem.strerror if isinstance(problem, OSError) and problem.strerror else str(problem)
    return words if words.startswith("oversized") else f"unreadable: {words}"
