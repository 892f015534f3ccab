"""Arrays that stay on the disk and are shared by all processes that read them."""

from functools import cached_property
from pathlib import Path

import numpy as np


class MappedArray:
    """A ``.npy`` file, memory-mapped at its first use; pickled as its path, so that a spawned worker gets no copy.

    Attributes:
        path: the file.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    @cached_property
    def array(self) -> np.ndarray:
        """The array, read-only.

        Raises:
            ValueError: if the file is damaged.
        """
        try:
            return np.asarray(
                np.load(self.path, mmap_mode="r", allow_pickle=False)
            )  # a plain view: slices of a memmap are slow
        except (ValueError, EOFError) as error:
            raise ValueError(f"{self.path} is damaged ({error}); make it again from its source") from error

    def __getstate__(self) -> dict[str, Path]:
        return {"path": self.path}
