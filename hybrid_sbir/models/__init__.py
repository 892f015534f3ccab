"""Backbones by name, and what is built on them; nn.Module only, no Lightning."""

from hybrid_sbir.models import zoo as _zoo  # registers the named backbones
from hybrid_sbir.models.backbone import Backbone, BackboneSpec
from hybrid_sbir.models.classifier import Classifier
from hybrid_sbir.models.registry import backbone_spec, create_backbone, list_backbones, register_backbone
from hybrid_sbir.models.stage import StageSpec

__all__ = [
    "Backbone",
    "BackboneSpec",
    "Classifier",
    "StageSpec",
    "backbone_spec",
    "create_backbone",
    "list_backbones",
    "register_backbone",
]

del _zoo
