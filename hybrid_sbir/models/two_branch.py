"""A sketch branch and a photo branch that share their last stages and the head (thesis, section 3.5).

Shapes: N batch, C channels, H, W image size, D channels of the last stage, E embedding size, K classes.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from hybrid_sbir.models.backbone import Backbone, BackboneSpec
from hybrid_sbir.models.embedding_head import Embedded, HeadKind, build_head
from hybrid_sbir.models.registry import create_backbone, spec_of
from hybrid_sbir.models.stage import StageSpec

Domain = Literal["sketch", "photo"]
SharedNorm = Literal["separate", "joint", "domain"]
DOMAINS: tuple[Domain, Domain] = ("sketch", "photo")
_NORMS = ("separate", "joint", "domain")
Layers = TypeVar("Layers", bound=nn.Module)


class TwoBranch(nn.Module):
    """Two backbones of one kind whose last stages are the same layers, and a head for both.

    Each branch is a whole :class:`Backbone`, ``sketch`` and ``photo``; the last ``shared_stages`` stages, the closing
    bn - relu and the head of ``photo`` are those of ``sketch``. A stage's parameters are thus trained once and appear
    under both names in a state dict.

    What shared batch norms see in training is ``shared_norm``:

    * ``"separate"``, as published: each domain is normalised by its own batch, and evaluation uses one running mean of
      both, which fits neither;
    * ``"joint"``: both domains pass together, so that training and evaluation normalise alike;
    * ``"domain"``: each domain has its own batch norms (Chang et al., CVPR 2019), and everything else is shared.

    Args:
        backbone: a registered name, a spec, or stages, as :func:`create_backbone` takes them.
        num_classes: K.
        shared_stages: how many of the last stages are shared, from 0 (only the head) to all (all but the stems).
        shared_norm: see above.
        head: "published" (fc - bn - relu - fc) or "neck" (fc - bn).
        embedding_size: E.
        hidden: size of the published head's middle layer.
        options: of :func:`create_backbone`: activation, in_channels, width, stem...

    Attributes:
        sketch, photo: the branches.
        sketch_head, photo_head: the heads; one and the same unless the norms are each domain's own.

    Raises:
        ValueError: if an option does not fit; the message says what does.
    """

    def __init__(
        self,
        backbone: str | BackboneSpec | list[StageSpec],
        num_classes: int,
        *,
        shared_stages: int = 2,
        shared_norm: SharedNorm = "domain",
        head: HeadKind = "neck",
        embedding_size: int = 128,
        hidden: int = 1024,
        **options: Any,
    ) -> None:
        super().__init__()
        self.sketch, self.photo = (create_backbone(backbone, **options) for _ in DOMAINS)
        stages = len(self.sketch.stages)
        if not 0 <= shared_stages <= stages:
            why = f" ({whole})" if (whole := getattr(self.sketch, "whole", "")) else ""
            raise ValueError(
                f"shared_stages is {shared_stages}; this backbone has {stages} stages{why}: give 0 to {stages}"
            )
        if shared_norm not in _NORMS:
            raise ValueError(f"shared_norm is '{shared_norm}'; it can be {', '.join(_NORMS)}")
        self.shared_stages, self.shared_norm, self.embedding_size = shared_stages, shared_norm, embedding_size
        self._head_options = {"kind": head, "embedding_size": embedding_size, "hidden": hidden}
        features = self.sketch.num_features
        self.sketch_head, self.photo_head = (
            build_head(head, features, embedding_size, num_classes, hidden) for _ in DOMAINS
        )
        self._share()
        self._frozen, self._frozen_norms_move = False, False

    @property
    def num_classes(self) -> int:
        """Number of classes, K."""
        return self.sketch_head.classifier.out_features

    @property
    def first_shared(self) -> int:
        """Number, from 0, of the first shared stage; the number of stages where none is."""
        return len(self.sketch.stages) - self.shared_stages

    def branch(self, domain: Domain) -> Backbone:
        """Return a domain's backbone.

        Raises:
            ValueError: if there is no such domain.
        """
        if domain not in DOMAINS:
            raise ValueError(f"domain is '{domain}'; it can be {', '.join(DOMAINS)}")
        return self.sketch if domain == "sketch" else self.photo

    def embed(self, image: Tensor, domain: Domain) -> Embedded:
        """Embed images of one domain, (N, C, H, W)."""
        branch = self.branch(domain)
        return self._finish(self._private(branch, image), domain)

    def forward(self, sketch: Tensor, photo: Tensor) -> tuple[Embedded, Embedded]:
        """Embed sketches and photos, each (N, C, H, W); their numbers may differ."""
        own = self._private(self.sketch, sketch), self._private(self.photo, photo)
        if self.shared_norm != "joint":
            return self._finish(own[0], "sketch"), self._finish(own[1], "photo")
        if own[0].shape[1:] != own[1].shape[1:]:
            raise ValueError(
                f"sketches are {tuple(sketch.shape[-2:])} pixels and photos {tuple(photo.shape[-2:])}; with the shared "
                "norm 'joint' they pass together: give both the same size"
            )
        if not self.shared_stages:
            both = torch.cat([self._pooled(own[0], "sketch"), self._pooled(own[1], "photo")])
        else:
            both = self._pooled(torch.cat(own), "sketch")
        embedded = self.sketch_head(both)
        sizes = [len(sketch), len(photo)]
        sketches, photos = (Embedded(*parts) for parts in zip(*(each.split(sizes) for each in embedded), strict=True))
        return sketches, photos

    def freeze_private(self, norms_move: bool = False) -> None:
        """Freeze what each branch has of its own: stem and private stages.

        Args:
            norms_move: whether their batch norms still normalise by the batch and update their running statistics in
                training, as in the published code.
        """
        self._frozen, self._frozen_norms_move = True, norms_move
        for module in self.private_modules():
            module.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> "TwoBranch":
        """Set the mode; frozen batch norms stay in evaluation mode unless they are to move."""
        super().train(mode)
        if self._frozen and not self._frozen_norms_move:
            for module in self.private_modules():
                module.eval()
        return self

    def private_modules(self) -> Iterator[nn.Module]:
        """Yield the modules that belong to one branch alone; the heads are shared."""
        for branch in (self.sketch, self.photo):
            yield branch.stem
            yield from branch.stages[: self.first_shared]
            if not self.shared_stages:
                yield branch.closing

    def plan(self) -> dict[str, Any]:
        """Return what is needed to build this model again, as plain values."""
        return {
            "spec": self.sketch.spec.plain(),
            "options": self.sketch.options(),
            "num_classes": self.num_classes,
            "branches": {"shared_stages": self.shared_stages, "shared_norm": self.shared_norm},
            "head": dict(self._head_options),
        }

    @classmethod
    def of(cls, plan: Mapping[str, Any]) -> "TwoBranch":
        """Build the model that :meth:`plan` described, with weights of its own."""
        head = dict(plan["head"])
        options = {**plan["branches"], "head": head.pop("kind"), **head, **plan["options"]}
        return cls(spec_of(plan["spec"]), plan["num_classes"], **options)

    def _share(self) -> None:
        """Let the photo branch use the sketch branch's shared layers, all but each domain's own norms."""
        keep_norms = self.shared_norm == "domain"
        for i in range(self.first_shared, len(self.sketch.stages)):
            self.photo.stages[i] = _shared(self.sketch.stages[i], self.photo.stages[i], keep_norms)
        if self.shared_stages:
            self.photo.closing = _shared(self.sketch.closing, self.photo.closing, keep_norms)
        self.photo_head = _shared(self.sketch_head, self.photo_head, keep_norms)

    def _private(self, branch: Backbone, image: Tensor) -> Tensor:
        branch.check_input(image)
        x = branch.stem(image)
        for stage in branch.stages[: self.first_shared]:
            x = stage(x)
        return x

    def _pooled(self, x: Tensor, domain: Domain) -> Tensor:
        branch = self.branch(domain)
        for stage in branch.stages[self.first_shared :]:
            x = stage(x)
        return branch.closing(x).mean((2, 3))

    def _finish(self, x: Tensor, domain: Domain) -> Embedded:
        head = self.sketch_head if domain == "sketch" else self.photo_head
        return head(self._pooled(x, domain))


def _shared(kept: Layers, own: Layers, keep_norms: bool) -> Layers:
    """Return the module for the second branch: ``kept`` itself, or ``own`` with all but its norms' parameters."""
    if not keep_norms:
        return kept
    for name, module in kept.named_modules():
        if isinstance(module, _BatchNorm):
            continue
        twin = own.get_submodule(name)
        for parameter, value in module.named_parameters(recurse=False):
            twin.register_parameter(parameter, value)
    return own
