"""The Sketchy database (Sangkloy et al., SIGGRAPH 2016), prepared: its sketches, or the photos they were drawn from."""

from typing import Any

import numpy as np

from hybrid_sbir.batch import Domain
from hybrid_sbir.data.datamodule import Part
from hybrid_sbir.data.prepared import Prepared
from hybrid_sbir.data.stores.store import Store
from hybrid_sbir.data.undivided import ALL

_PART: dict[Domain, str] = {"sketch": "queries", "photo": "catalogue"}


class Sketchy(Prepared):
    """One of Sketchy's two domains.

    Attributes:
        domain: which.
    """

    def __init__(
        self, domain: Domain, root: str = "data", split: str = "retrieval", name: str = "sketchy", **options: Any
    ) -> None:
        """See :class:`~hybrid_sbir.data.prepared.Prepared`.

        Args:
            domain: ``sketch`` or ``photo``.
            root: the folder of all prepared data sets.
            split: ``retrieval``: every part is all sketches, or all photos (a test set); ``stratified80`` and others
                are to train with: a photo and the sketches drawn from it are in the same part.
            name: its folder below ``root``.
            options: see :class:`~hybrid_sbir.data.datamodule.ClassificationData`.

        Raises:
            FileNotFoundError: if the data set is not prepared.
            ManifestError: if it was altered, is not Sketchy, or has no such split.
            ValueError: if there is no such domain.
        """
        if domain not in _PART:
            raise ValueError(f"domain is '{domain}'; it can be {', '.join(_PART)}")
        self.domain = domain
        super().__init__(name, root, split, **options)
        self._own()

    @property
    def divided(self) -> bool:
        """Whether training and validation are different samples."""
        return self.split not in (ALL, "retrieval")

    def open_part(self, part: Part) -> Store:
        """Return the domain's samples of one part."""
        if self.divided:
            return super().open_part(part)
        return super().open_listed(*self._own())

    def open_listed(self, paths: list[str], labels: np.ndarray) -> Store:
        """Return the store of those of these samples that are of the domain."""
        own = set(self._own()[0])
        rows = [row for row, path in enumerate(paths) if path in own]
        return super().open_listed([paths[row] for row in rows], labels[rows])

    def _own(self) -> tuple[list[str], np.ndarray]:
        return self.manifest.split_part("retrieval", _PART[self.domain])
