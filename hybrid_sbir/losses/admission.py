"""What a loss of embeddings refuses, in words. N, M rows, E embedding size."""

import torch
from torch import Tensor

_HALF = (torch.float16, torch.bfloat16)


def check_margin(margin: float) -> float:
    """Return the margin.

    Raises:
        ValueError: if it is not positive: nothing would ever be pushed apart.
    """
    if not margin > 0:
        raise ValueError(f"margin is {margin}; give a distance above 0 (unit vectors are at most 2 apart)")
    return margin


def check_rows(**embeddings: Tensor) -> None:
    """Require embeddings (N, E) that belong together row by row.

    Raises:
        ValueError: if they do not; the message has every shape.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in embeddings.items()}
    if len(set(shapes.values())) != 1 or any(len(shape) != 2 for shape in shapes.values()):
        raise ValueError(f"embeddings are compared row by row, so all must be (N, E) alike; got {shapes}")


def check_labelled(sketch: Tensor, photo: Tensor, sketch_label: Tensor, photo_label: Tensor) -> None:
    """Require sketches (N, E) and photos (M, E) with a label each.

    Raises:
        ValueError: if a size does not fit; the message has every shape.
    """
    fits = sketch.ndim == photo.ndim == 2 and sketch.shape[1] == photo.shape[1]
    if not fits or sketch_label.shape != sketch.shape[:1] or photo_label.shape != photo.shape[:1]:
        names = ("sketch", "photo", "sketch_label", "photo_label")
        tensors = (sketch, photo, sketch_label, photo_label)
        got = {name: tuple(tensor.shape) for name, tensor in zip(names, tensors, strict=True)}
        raise ValueError(f"needed: sketch (N, E), photo (M, E), sketch_label (N,), photo_label (M,); got {got}")


def full_precision(embedding: Tensor) -> Tensor:
    """Half precision becomes float32: squares and exponentials of similarities need the digits."""
    return embedding.float() if embedding.dtype in _HALF else embedding
