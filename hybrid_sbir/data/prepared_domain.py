"""One domain of a prepared set that has sketches and photos: Sketchy, Flickr15k."""

from typing import Any

import numpy as np

from hybrid_sbir.batch import Domain
from hybrid_sbir.data.datamodule import Part
from hybrid_sbir.data.prepared import Prepared
from hybrid_sbir.data.stores.store import Store
from hybrid_sbir.data.undivided import ALL

_PART: dict[Domain, str] = {"sketch": "queries", "photo": "catalogue"}


class PreparedDomain(Prepared):
    """The sketches or the photos of a prepared set that has both and the split ``retrieval``.

    Attributes:
        domain: which.
    """

    def __init__(self, name: str, domain: Domain, root: str = "data", split: str = "retrieval", **options: Any) -> None:
        """See :class:`~hybrid_sbir.data.prepared.Prepared`.

        Args:
            name: its folder below ``root``.
            domain: ``sketch`` or ``photo``.
            root: the folder of all prepared data sets.
            split: ``retrieval``: every part is all sketches, or all photos (a test set); ``stratified80`` and others
                are to train with: a photo and the sketches drawn from it are in the same part.
            options: see :class:`~hybrid_sbir.data.datamodule.ClassificationData`.

        Raises:
            FileNotFoundError: if the data set is not prepared.
            ManifestError: if it was altered, has not both domains, or has no such split.
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


class Sketchy(PreparedDomain):
    """One of the Sketchy database's domains (Sangkloy et al., SIGGRAPH 2016)."""

    def __init__(self, domain: Domain, root: str = "data", split: str = "retrieval", **options: Any) -> None:
        """See :class:`PreparedDomain`."""
        super().__init__(options.pop("name", "sketchy"), domain, root, split, **options)


class Flickr15k(PreparedDomain):
    """Flickr15k's sketches or photos (Hu and Collomosse, CVIU 2013), to test on."""

    def __init__(self, domain: Domain, root: str = "data", split: str = "retrieval", **options: Any) -> None:
        """See :class:`PreparedDomain`."""
        super().__init__(options.pop("name", "flickr15k"), domain, root, split, **options)
