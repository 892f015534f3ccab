"""Data sets that are one whole, every part all of it: to test on, and never to train on."""

from hybrid_sbir.data.datamodule import ClassificationData

ALL = "all"
"""The name of the split that does not divide."""


def check_divided(data: ClassificationData) -> None:
    """Refuse to train on what is validated.

    Raises:
        ValueError: if every part is the whole set.
    """
    if not getattr(data, "divided", True):
        raise ValueError(
            f"{type(data).__name__}: with this split every part is all of the set, which is for a test; to train, "
            "choose one that keeps validation apart (split: stratified80, say)"
        )
