"""What data and tasks agree on: batches of tensors that carry each sample's index.

Shapes: N batch, C channels, H, W image size.
"""

from typing import NamedTuple

from torch import Tensor


class ClassificationBatch(NamedTuple):
    """Images with their classes; a NamedTuple, so collation, device transfer and DDP handle it as it is.

    Attributes:
        image: normalised images, (N, C, H, W), float32.
        label: class numbers, (N,), int64.
        index: the samples' positions in their data set, (N,), int64. Metrics drop repeats by it, so that a padded
            distributed sampler never counts a sample twice.
    """

    image: Tensor
    label: Tensor
    index: Tensor  # type: ignore[assignment]  # the field's word; tuple.index is of no use for tensors
