"""A backbone with a linear head. Shapes: N batch, H, W image size, D channels of the last stage, K classes."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from hybrid_sbir.models.backbone import Backbone
from hybrid_sbir.models.registry import create_backbone, spec_of


class Classifier(nn.Module):
    """Global average pooling and a fully connected layer on a backbone.

    Args:
        backbone: maps an image to (N, D, h, w).
        num_classes: K.

    Raises:
        ValueError: if there is no class.
    """

    def __init__(self, backbone: Backbone, num_classes: int) -> None:
        super().__init__()
        if num_classes < 1:
            raise ValueError(f"num_classes is {num_classes}; a classifier needs at least 1")
        self.backbone = backbone
        self.head = nn.Linear(backbone.num_features, num_classes)

    @property
    def num_classes(self) -> int:
        """Number of classes, K."""
        return self.head.out_features

    def plan(self) -> dict[str, Any]:
        """Return what is needed to build this model again, as plain values."""
        return {
            "spec": self.backbone.spec.plain(),
            "options": self.backbone.options(),
            "num_classes": self.num_classes,
        }

    @classmethod
    def of(cls, plan: Mapping[str, Any]) -> "Classifier":
        """Build the model that :meth:`plan` described, with weights of its own."""
        return cls(create_backbone(spec_of(plan["spec"]), **plan["options"]), plan["num_classes"])

    def features(self, x: Tensor) -> Tensor:
        """Pooled features of an image (N, in_channels, H, W): (N, D)."""
        return self.backbone.pooled_features(x)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of an image (N, in_channels, H, W): (N, K)."""
        return self.head(self.features(x))
