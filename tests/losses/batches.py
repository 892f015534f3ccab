"""Seeded embeddings with labels, as losses get them."""

import torch
import torch.nn.functional as F


def unit(rows, size, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(rows, size, generator=generator, dtype=torch.float64)).to(dtype)


def labels(rows, classes, seed=0):
    return torch.randint(classes, (rows,), generator=torch.Generator().manual_seed(100 + seed))


def batch(sketches=7, photos=10, size=5, classes=3, seed=0, dtype=torch.float64):
    """Sketches, photos, and their labels; the numbers differ."""
    return (
        unit(sketches, size, seed, dtype),
        unit(photos, size, seed + 50, dtype),
        labels(sketches, classes, seed),
        labels(photos, classes, seed + 50),
    )


def lists(*tensors):
    return [tensor.tolist() for tensor in tensors]


def gradients(loss, sketch, photo, *rest):
    """The value, and the gradients of both domains."""
    sketch, photo = sketch.detach().clone().requires_grad_(), photo.detach().clone().requires_grad_()
    value = loss(sketch, photo, *rest)
    value.backward()
    return value.detach(), sketch.grad, photo.grad
