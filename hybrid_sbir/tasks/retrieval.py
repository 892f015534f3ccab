"""What every task that is evaluated as a retrieval shares. N batch, C channels, H, W image size, E embedding size."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn

from hybrid_sbir.batch import ClassificationBatch, Domain
from hybrid_sbir.metrics import RankingValues
from hybrid_sbir.retrieval import USES_CATALOGUE
from hybrid_sbir.retrieval import describe as describe_views
from hybrid_sbir.tasks.retrieval_record import details
from hybrid_sbir.tasks.retrieval_scores import ROLES, CatalogueMethod, RetrievalScores
from hybrid_sbir.tasks.whole_batches import in_whole_batch

_DOMAINS: tuple[Domain, Domain] = ("sketch", "photo")


class RetrievalTask(LightningModule, ABC):
    """Embed queries (even loaders) and catalogues (odd ones) of the data's retrieval sets, rank, and log the scores.

    Logs ``map``, ``mrr`` and ``p10`` under each set's name, over its queries and over those of each group of classes.

    Args:
        scales: factors on the image's side whose embeddings are averaged outside of ``fit``.
        mirror: whether those of mirror images are averaged too.
        using_catalogue: outside of ``fit``, score also what uses the whole catalogue: "expansion" of the queries,
            "reranking" by reciprocal neighbours; logged as ``test_expanded/map``, ``test_reranked/map``.

    Attributes:
        details: what a record keeps beside the logged scores, by evaluation.
        non_finite: one entry for each sample whose embedding was no number, in the last evaluation.
    """

    embedding_size: int
    smallest_input: int

    def __init__(
        self, scales: Sequence[float] = (1.0,), mirror: bool = False, using_catalogue: Sequence[CatalogueMethod] = ()
    ) -> None:
        super().__init__()
        self.scales, self.mirror, self.using_catalogue = tuple(scales), mirror, tuple(using_catalogue)
        self.scores = nn.ModuleList()
        self.details: dict[str, Any] = {}
        self.non_finite: list[int] = []

    @abstractmethod
    def embed(self, image: Tensor, domain: Domain) -> Tensor:
        """Embed images (N, C, H, W) of one domain: (N, E), float32, of norm 1."""

    def remarks(self, classes: tuple[str, ...]) -> list[str]:
        """Say what a reader of the scores over these classes must know."""
        if self.fitting or (not self.mirror and self.scales == (1.0,)):
            return []
        views = f"scales {', '.join(f'{scale:g}' for scale in self.scales)}{', mirrored' if self.mirror else ''}"
        return [f"descriptors of several views: {views}"]

    def validation_step(self, batch: ClassificationBatch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Add a batch of queries or of a catalogue."""
        scores, role = self.scores[dataloader_idx // 2], ROLES[dataloader_idx % 2]
        embedding = self._describe(batch.image, dataloader_idx)
        scores.update(embedding, batch.label, batch.index, role)  # type: ignore[operator]

    def test_step(self, batch: ClassificationBatch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Add a batch of queries or of a catalogue."""
        self.validation_step(batch, batch_idx, dataloader_idx)

    def predict_step(self, batch: ClassificationBatch, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Tensor]:
        """Return ``embedding`` (N, E), float32, of norm 1, with the batch's ``label`` and ``index``."""
        embedding = self._describe(batch.image, dataloader_idx)
        return {"embedding": embedding, "label": batch.label, "index": batch.index}

    def on_validation_epoch_start(self) -> None:
        """Make ready for the data's evaluations; an earlier one may have been broken off."""
        self._begin("val")

    def on_test_epoch_start(self) -> None:
        """Make ready for the data's evaluations."""
        self._begin("test")

    def on_validation_epoch_end(self) -> None:
        """Log the scores."""
        self._log_scores()

    def on_test_epoch_end(self) -> None:
        """Log the scores."""
        self._log_scores()

    @property
    def fitting(self) -> bool:
        """Whether this runs inside ``fit``, where an evaluation only selects."""
        return self._trainer is not None and self._trainer.state.fn == TrainerFn.FITTING

    def _describe(self, image: Tensor, dataloader_idx: int) -> Tensor:
        domain = _DOMAINS[dataloader_idx % 2]

        def apply(images: Tensor) -> Tensor:
            if self.fitting:
                return self.embed(images, domain)
            seen = self.scales, self.mirror, self.smallest_input
            return describe_views(lambda view: self.embed(view, domain), images, *seen)

        return in_whole_batch(apply, image, getattr(self._data(), "batch_size", None))

    def _data(self) -> Any:
        return getattr(self._trainer, "datamodule", None)

    def _begin(self, part: str) -> None:
        """Meters for the evaluations that the data has."""
        data = self._data()
        if not hasattr(data, "evaluations"):
            raise ValueError(
                f"{type(data).__name__} has no queries and no catalogue; give retrieval data: SketchPhotoData, or "
                "UnimodalData with classes held out (experiments/data/quickdraw_unimodal.yaml)"
            )
        meters = [RetrievalScores(about, self.embedding_size) for about in data.evaluations(part)]
        self.scores = nn.ModuleList(meters).to(self.device)
        self.details = {}

    def _log_scores(self) -> None:
        self.non_finite = []
        checking = self.trainer.sanity_checking  # a few batches before any training: what is odd there is no news
        for scores in self.scores:
            assert isinstance(scores, RetrievalScores)
            for name, value in scores.compute(
                () if self.fitting else self.using_catalogue, remark=not checking
            ).items():
                # The same number in every process already, so that nothing is to be averaged; float64, as it was made.
                shown = name.endswith("/map")
                self.log(name, torch.tensor(value, dtype=torch.float64), prog_bar=shown)
            self.non_finite += [0] * scores.non_finite
            for name, values in scores.found.items():
                self.details[name] = details(scores.about, values, *self._said(name, scores, values))
        self.scores = nn.ModuleList()  # embeddings of a large catalogue need not stay

    def _said(self, name: str, scores: RetrievalScores, values: RankingValues) -> list[str]:
        used = [USES_CATALOGUE] if name != scores.about.name else []
        return [*self.remarks(scores.about.classes), *used]
