"""The presets drawn by the device a batch is on: the host decides on the views, the device crops, scales and turns.

Cropping, scaling with anti-aliasing, cutting out the output window and mirroring are linear in each axis, so that they
are two batched matrix products; the triangle filter is Pillow's, so that the result is the host's up to its rounding to
8 bits after each axis. On a CPU this is no gain: at 224 pixels Pillow draws four to six times as many images a second
(experiments/benchmarks/loading.json); it is for accelerators, where the workers then only read.

Shapes: N images, C channels, H, W padded image size, S output side.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hybrid_sbir.batch import ClassificationBatch
from hybrid_sbir.data.loading.dataset import KeyedDataset, stack
from hybrid_sbir.data.loading.sampler import Key
from hybrid_sbir.data.transforms import SquareView, Transform, View


class ViewedBatch(NamedTuple):
    """Whole images and what is to be seen of them; 8 bits a pixel on their way to the device, arrays out of a worker.

    Attributes:
        pixels: (N, H, W) if all are grey, else (N, H, W, 3), uint8; smaller images lie at the top left.
        view: the fields of :class:`~hybrid_sbir.data.transforms.View` in their order, (N, 11), float32.
        label: class numbers, (N,), int64.
        index: the samples' positions in their data set, (N,), int64.
    """

    pixels: Tensor
    view: Tensor | np.ndarray
    label: Tensor | np.ndarray
    index: Tensor | np.ndarray  # type: ignore[assignment]  # hides tuple.index


class ViewedDataset(KeyedDataset):
    """A ``KeyedDataset`` with the same views, but leaves the drawing to :func:`render`."""

    def read(self, keys: Sequence[Key]) -> ViewedBatch:  # type: ignore[override]
        """Return the samples of these keys, in this order, not yet drawn."""
        images, views = [], []
        for epoch, index in keys:
            image = self.store.read(index)
            images.append(np.asarray(image if self.transform.channels == 3 else image.convert("L")))
            views.append(self.transform.view(image, self.rng(epoch, index)))
        return ViewedBatch(torch.from_numpy(stack(images)), np.array(views, np.float32), *self.labels(keys))

    def finish(self, batch: ViewedBatch) -> ViewedBatch:  # type: ignore[override]
        """Leave the batch to its device, which takes tensors."""
        return ViewedBatch(*map(torch.as_tensor, batch))

    def batch(self, keys: Sequence[Key]) -> ClassificationBatch:
        """Return the samples of these keys, drawn here, (N, C, S, S), float32."""
        return render(self.read(keys), self.transform)


def render(batch: ViewedBatch, transform: Transform) -> ClassificationBatch:
    """Draw the views of a batch and normalise them, on the batch's device."""
    size = transform.size
    grey = batch.pixels.ndim == 3
    planes = batch.pixels.unsqueeze(1) if grey else batch.pixels.permute(0, 3, 1, 2)
    views, label, index = (torch.as_tensor(values, device=planes.device) for values in batch[1:])
    view = dict(zip(View._fields, views.unbind(1), strict=True))
    upright = torch.zeros_like(view["mirror"])
    rows = _weights(view["top"], view["bottom"], view["height"], view["y"], upright, size, planes.shape[2])
    columns = _weights(view["left"], view["right"], view["width"], view["x"], view["mirror"], size, planes.shape[3])
    drawn = rows.unsqueeze(1) @ planes.to(torch.float32) @ columns.unsqueeze(1).transpose(2, 3)
    if isinstance(transform.geometry, SquareView):
        covered = (rows.sum(2) > 0).unsqueeze(2) & (columns.sum(2) > 0).unsqueeze(1)
        drawn = torch.where(covered.unsqueeze(1), drawn, view["blank"].view(-1, 1, 1, 1))
    if transform.geometry.degrees:
        drawn = _turn(drawn, view["angle"])
    image = transform.normalise(drawn.squeeze(1) if grey else drawn.permute(0, 2, 3, 1))
    return ClassificationBatch(image, label, index)


def _weights(
    start: Tensor, end: Tensor, scaled: Tensor, offset: Tensor, mirror: Tensor, size: int, length: int
) -> Tensor:
    """Return (N, S, length) shares of each input pixel in each output pixel: rows of sum 1, or 0 where no image is.

    Input from ``start`` to ``end`` is scaled to ``scaled`` pixels, of which ``size`` from ``offset`` on are kept.
    """
    place = torch.arange(size, device=start.device, dtype=start.dtype)
    place = torch.where(mirror[:, None] > 0, size - 1 - place, place) + offset[:, None]
    step = ((end - start) / scaled)[:, None]
    centre = start[:, None] + (place + 0.5) * step
    pixel = torch.arange(length, device=start.device, dtype=start.dtype)
    distance = (pixel + 0.5 - centre[..., None]).abs() / step.clamp(min=1)[..., None]
    inside = (pixel >= start[:, None]) & (pixel < end[:, None])
    on_image = (place >= 0) & (place < scaled[:, None])
    share = (1 - distance).clamp(min=0) * inside[:, None] * on_image[..., None]
    return share / share.sum(dim=2, keepdim=True).where(on_image[..., None], 1)


def _turn(drawn: Tensor, degrees: Tensor) -> Tensor:
    """Turn (N, C, S, S) counter-clockwise about the middle, nearest neighbour, white where nothing is."""
    n, channels, size, _ = drawn.shape
    middle = size / 2
    across = torch.arange(size, device=drawn.device, dtype=degrees.dtype) + 0.5 - middle
    down = across[:, None]
    cosine, sine = (f(torch.deg2rad(degrees))[:, None, None] for f in (torch.cos, torch.sin))
    x = (cosine * across - sine * down + middle).floor().long()
    y = (sine * across + cosine * down + middle).floor().long()
    outside = (x < 0) | (x >= size) | (y < 0) | (y >= size)
    source = (y.clamp(0, size - 1) * size + x.clamp(0, size - 1)).view(n, 1, -1).expand(-1, channels, -1)
    turned = drawn.flatten(2).gather(2, source).view_as(drawn)
    return turned.masked_fill(outside.unsqueeze(1), 255.0)
