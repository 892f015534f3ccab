"""The embedded set as a store (see hybrid_sbir/data/store.py): samples are drawn when they are read."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from hybrid_sbir.data.embedded.samples import Domain, Split, check_choice, check_size, draw_photo, draw_sketch
from hybrid_sbir.data.embedded.shapes import CLASSES


class EmbeddedStore:
    """Drawings or photos of everyday objects that the package makes itself.

    The classes take turns, so that the first samples show all of them.

    Attributes:
        classes: class names by label.
        labels: label of each sample, (N,), int64; N = classes x per_class.
    """

    def __init__(
        self,
        split: Split = "train",
        domain: Domain = "sketch",
        per_class: int = 100,
        size: int = 64,
        seed: int = 0,
        classes: Sequence[str] | None = None,
    ) -> None:
        """Choose the samples; nothing is drawn yet.

        Args:
            split: train, val or test; they share no sample.
            domain: sketch (mode L) or photo (mode RGB).
            per_class: samples a class.
            size: side of the pictures in pixels.
            seed: another seed is another set.
            classes: some of CLASSES, in the order of their labels; all where not given.

        Raises:
            ValueError: an argument out of its range, an unknown or repeated class.
        """
        check_choice("split", split, Split)
        check_choice("domain", domain, Domain)
        check_size(size)
        if per_class < 1 or seed < 0:
            raise ValueError(f"per_class must be 1 or more and seed 0 or more; got per_class {per_class}, seed {seed}")
        self.classes: tuple[str, ...] = CLASSES if classes is None else tuple(classes)
        unknown = [name for name in self.classes if name not in CLASSES]
        if unknown or not self.classes or len(set(self.classes)) < len(self.classes):
            raise ValueError(
                f"classes must be one or more different names of the embedded set; got {len(self.classes)}, "
                f"{len(set(self.classes))} different, unknown: {', '.join(unknown) or 'none'}; "
                f"it has {', '.join(CLASSES)}"
            )
        self.labels: np.ndarray = np.tile(np.arange(len(self.classes), dtype=np.int64), per_class)
        self._split, self._domain, self._size, self._seed = split, domain, size, seed

    def __len__(self) -> int:
        return len(self.labels)

    def name(self, index: int) -> str:
        """Return the sample's name: seed, split, domain, class and number, which decide it."""
        label, number = self._place(index)
        return f"{self._seed}/{self._split}/{self._domain}/{self.classes[label]}/{number:06d}"

    def read(self, index: int) -> Image.Image:
        """Draw a sample."""
        label, number = self._place(index)
        draw = draw_sketch if self._domain == "sketch" else draw_photo
        return draw(self.classes[label], number, self._split, self._seed, self._size)

    def _place(self, index: int) -> tuple[int, int]:
        if not 0 <= index < len(self.labels):
            raise IndexError(f"sample {index} of an embedded set of {len(self.labels)}")
        number, label = divmod(int(index), len(self.classes))
        return label, number
