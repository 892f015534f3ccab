"""Embeddings of earlier batches as further references. N, M rows of a batch, S size of a memory, E embedding size."""

import torch
from torch import Tensor, nn

from hybrid_sbir.losses.admission import check_labelled
from hybrid_sbir.losses.cross_domain import CrossDomainLoss

_EMPTY = -1


class EmbeddingMemory(nn.Module):
    """The last ``size`` embeddings and their labels, first in, first out, without gradients.

    Both are buffers, so a checkpoint restores them exactly and they follow the module to another device or type.

    Args:
        embedding_size: E.
        size: S.

    Attributes:
        embedding: (S, E).
        label: (S,), int64; -1 in places that were never filled, which come first.
    """

    embedding: Tensor
    label: Tensor

    def __init__(self, embedding_size: int, size: int) -> None:
        super().__init__()
        self.register_buffer("embedding", torch.zeros(size, embedding_size))
        self.register_buffer("label", torch.full((size,), _EMPTY))

    def check(self, embedding: Tensor) -> None:
        """Require embeddings (N, E) that fit in.

        Raises:
            ValueError: if they do not.
        """
        size, dimensions = self.embedding.shape
        if len(embedding) > size or embedding.shape[1] != dimensions:
            raise ValueError(
                f"a memory of {size} embeddings of {dimensions} dimensions got {tuple(embedding.shape)}: give it "
                "room for a batch (of all processes) and the network's embedding_size"
            )

    @torch.no_grad()
    def push(self, embedding: Tensor, label: Tensor) -> None:
        """Append a batch (N, E), (N,); the oldest fall out."""
        # New tensors, not views: a view would keep, and save, what fell out.
        self.embedding = torch.cat([self.embedding[len(label) :], embedding.to(self.embedding)])
        self.label = torch.cat([self.label[len(label) :], label.to(self.label)])

    def stored(self) -> tuple[Tensor, Tensor]:
        """Embeddings and labels so far, the oldest first: (F, E), (F,) with F at most S."""
        empty = int((self.label == _EMPTY).sum())
        return self.embedding[empty:], self.label[empty:]


class CrossBatchMemory(nn.Module):
    """Cross-batch memory (XBM; Wang et al., CVPR 2020, algorithm 1) of sketches and of photos, around another loss.

    A batch is put into the memories, then its sketches are anchors against all photos in memory, its photos against all
    sketches, each memory holding the batch itself too; nothing in memory has a gradient. While a module evaluates, its
    memories are neither read nor written.

    Written here and not taken from pytorch-metric-learning: there the place in the queue is not part of the state, so
    that a resumed run starts with an empty memory; it holds one domain.

    In several processes give it the embeddings gathered from all of them: the trainer copies the first one's buffers.

    Args:
        loss: what to compute, such as SupervisedContrastive; its ``within`` decides which memories an anchor meets.
        embedding_size: E.
        size: S, of each memory; at least a batch.
        warmup_steps: training steps in which the loss is of the batch alone, while the memories fill: embeddings move
            too fast at first (the paper took 1000).

    Raises:
        ValueError: if a number is out of range.
    """

    steps: Tensor

    def __init__(self, loss: CrossDomainLoss, embedding_size: int, size: int = 4096, warmup_steps: int = 0) -> None:
        super().__init__()
        for name, value, least in (
            ("embedding_size", embedding_size, 1),
            ("size", size, 1),
            ("warmup_steps", warmup_steps, 0),
        ):
            if value < least:
                raise ValueError(f"{name} is {value}; give {least} or more")
        self.loss, self.warmup_steps = loss, warmup_steps
        self.sketches, self.photos = EmbeddingMemory(embedding_size, size), EmbeddingMemory(embedding_size, size)
        self.register_buffer("steps", torch.tensor(0))

    def forward(self, sketch: Tensor, photo: Tensor, sketch_label: Tensor, photo_label: Tensor) -> Tensor:
        """Loss of embeddings (N, E) and (M, E) with labels (N,) and (M,), which are remembered; a scalar.

        Raises:
            ValueError: if the sizes do not fit, or a batch is larger than a memory.
        """
        check_labelled(sketch, photo, sketch_label, photo_label)
        if not self.training:
            return self.loss(sketch, photo, sketch_label, photo_label)
        self.sketches.check(sketch)
        self.photos.check(photo)
        self.sketches.push(sketch, sketch_label)
        self.photos.push(photo, photo_label)
        self.steps = self.steps + 1
        if self.steps <= self.warmup_steps:
            return self.loss(sketch, photo, sketch_label, photo_label)
        return self._remembering(sketch, photo, sketch_label, photo_label)

    def _remembering(self, sketch: Tensor, photo: Tensor, sketch_label: Tensor, photo_label: Tensor) -> Tensor:
        (sketches, sketch_labels), (photos, photo_labels) = self.sketches.stored(), self.photos.stored()
        sketches, photos = sketches.to(sketch.dtype), photos.to(photo.dtype)
        if not self.loss.within:
            to_photos = self.loss.against(sketch, sketch_label, photos, photo_labels)
            return (to_photos + self.loss.against(photo, photo_label, sketches, sketch_labels)) / 2
        # The batch is what came last into each memory.
        to_sketch = torch.arange(len(sketches) - len(sketch), len(sketches), device=sketch.device)
        to_photo = torch.arange(len(photos) - len(photo), len(photos), device=photo.device) + len(sketches)
        own = torch.cat([to_sketch, to_photo])
        anchors, labels = torch.cat([sketch, photo]), torch.cat([sketch_label, photo_label])
        return self.loss.against(
            anchors, labels, torch.cat([sketches, photos]), torch.cat([sketch_labels, photo_labels]), own
        )
