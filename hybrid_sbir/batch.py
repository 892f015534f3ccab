"""What data and tasks agree on: batches of tensors that carry each sample's index.

Shapes: N batch, C channels, H, W image size.
"""

from typing import Literal, NamedTuple

from torch import Tensor

Domain = Literal["sketch", "photo"]
"""The two kinds of image that retrieval brings together."""


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


class PairBatch(NamedTuple):
    """Sketches beside photos: a photo drawn for each sketch, or K sketches and K photos of each of P classes.

    Attributes:
        sketch: normalised sketches, (N, C, H, W), float32.
        photo: normalised photos, (N, C, H, W), float32.
        sketch_label: classes of the sketches, (N,), int64.
        photo_label: classes of the photos, (N,), int64; a row where both agree is a positive pair.
        index: the sketches' positions in their data set, (N,), int64.
    """

    sketch: Tensor
    photo: Tensor
    sketch_label: Tensor
    photo_label: Tensor
    index: Tensor  # type: ignore[assignment]


class TripletBatch(NamedTuple):
    """Sketches, each with a photo of its class and one of another class.

    Attributes:
        sketch: normalised sketches, (N, C, H, W), float32.
        positive: photos of the sketches' classes, (N, C, H, W), float32.
        negative: photos of other classes, (N, C, H, W), float32.
        label: classes of the sketches and of the positive photos, (N,), int64.
        negative_label: classes of the negative photos, (N,), int64.
        index: the sketches' positions in their data set, (N,), int64.
    """

    sketch: Tensor
    positive: Tensor
    negative: Tensor
    label: Tensor
    negative_label: Tensor
    index: Tensor  # type: ignore[assignment]


class RetrievalSet(NamedTuple):
    """One evaluation of retrieval: which class numbers mean what, and which are reported apart.

    Its queries and its catalogue come as two loaders of :class:`ClassificationBatch`, queries first.

    Attributes:
        name: under which its scores are logged: "val", "val_unseen", "test".
        classes: class names by label, over queries and catalogue.
        groups: name of a group of classes -> its labels; the queries of a group are scored apart too, against the
            whole catalogue.
    """

    name: str
    classes: tuple[str, ...]
    groups: dict[str, tuple[int, ...]]
