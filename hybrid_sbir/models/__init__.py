"""Backbones by name, and what is built on them; nn.Module only, no Lightning."""

from hybrid_sbir.models import zoo as _zoo  # registers the named backbones
from hybrid_sbir.models import zoo_beyond as _zoo_beyond
from hybrid_sbir.models.backbone import Backbone, BackboneSpec
from hybrid_sbir.models.branch_weights import load_published_branches
from hybrid_sbir.models.classifier import Classifier
from hybrid_sbir.models.registry import backbone_spec, create_backbone, list_backbones, register_backbone
from hybrid_sbir.models.stage import StageSpec
from hybrid_sbir.models.two_branch import TwoBranch
from hybrid_sbir.models.weights import CheckpointError, load_classifier, load_published, save_classifier

__all__ = [
    "Backbone",
    "BackboneSpec",
    "CheckpointError",
    "Classifier",
    "StageSpec",
    "TwoBranch",
    "backbone_spec",
    "create_backbone",
    "list_backbones",
    "load_classifier",
    "load_published",
    "load_published_branches",
    "register_backbone",
    "save_classifier",
]

del _zoo, _zoo_beyond
