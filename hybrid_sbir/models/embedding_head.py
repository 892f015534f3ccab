"""From a backbone's pooled features to an embedding and class scores.

Shapes: N batch, D features, M hidden size, E embedding size, K classes.
"""

from typing import Literal, NamedTuple

from torch import Tensor, nn

HeadKind = Literal["published", "neck"]


class Embedded(NamedTuple):
    """What a head makes of features.

    Attributes:
        embedding: as it leaves the last layer, not normalised, (N, E).
        logits: class scores, (N, K).
    """

    embedding: Tensor
    logits: Tensor


class PublishedHead(nn.Module):
    """The thesis's head (section 3.5): fc - bn - relu - fc is the embedding, one more fc on it the classifier.

    Args:
        features: D.
        embedding_size: E; 1024 in the published code, 128 in its text.
        num_classes: K.
        hidden: M.
    """

    def __init__(self, features: int, embedding_size: int, num_classes: int, hidden: int = 1024) -> None:
        super().__init__()
        self.fc = nn.Linear(features, hidden)
        self.norm = nn.BatchNorm1d(hidden)
        self.relu = nn.ReLU()
        self.embedding = nn.Linear(hidden, embedding_size)
        self.classifier = nn.Linear(embedding_size, num_classes)

    def forward(self, features: Tensor) -> Embedded:
        """Embed features (N, D)."""
        embedding = self.embedding(self.relu(self.norm(self.fc(features))))
        return Embedded(embedding, self.classifier(embedding))


class NeckHead(nn.Module):
    """One fc with batch norm on it: the embedding; a classifier without bias on it (Luo et al., CVPRW 2019: BNNeck).

    Batch norm centres the embeddings, so that their directions use the whole sphere.

    Args:
        features: D.
        embedding_size: E.
        num_classes: K.
    """

    def __init__(self, features: int, embedding_size: int, num_classes: int) -> None:
        super().__init__()
        self.fc = nn.Linear(features, embedding_size, bias=False)  # the norm takes any bias away
        self.norm = nn.BatchNorm1d(embedding_size)
        self.classifier = nn.Linear(embedding_size, num_classes, bias=False)

    def forward(self, features: Tensor) -> Embedded:
        """Embed features (N, D)."""
        embedding = self.norm(self.fc(features))
        return Embedded(embedding, self.classifier(embedding))


Head = PublishedHead | NeckHead


def build_head(kind: str, features: int, embedding_size: int, num_classes: int, hidden: int = 1024) -> Head:
    """Build a head by its name.

    Raises:
        ValueError: if there is no such head, or a size is not positive; the message says what is allowed.
    """
    for name, size in (("embedding_size", embedding_size), ("num_classes", num_classes), ("hidden", hidden)):
        if size < 1:
            raise ValueError(f"{name} is {size}; give 1 or more")
    if kind == "published":
        return PublishedHead(features, embedding_size, num_classes, hidden)
    if kind == "neck":
        return NeckHead(features, embedding_size, num_classes)
    raise ValueError(f"head is '{kind}'; it can be published, neck")
