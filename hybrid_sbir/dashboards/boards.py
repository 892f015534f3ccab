"""What stands on each table's dashboard: plain words, of which :mod:`~hybrid_sbir.dashboards.workspace` makes panels.

Names are those that runs log (:mod:`hybrid_sbir.callbacks.wandb_report`): curves as in metrics.csv, ``best/...`` of the
best epoch, ``validate/...`` and ``test...`` of evaluations, ``cost/...`` of the model.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Board:
    """The dashboard of one table.

    Attributes:
        table: the group of its runs, "table-4.1".
        title: of the dashboard.
        curves: names drawn over epochs, a line a variant.
        scores: names of final scores, a bar a variant; the first is the table's own.
        media: names of pictures.
        tables: names of tables with a row a class.
        stage: which of the table's runs are its rows, where they have several stages.
    """

    table: str
    title: str
    curves: tuple[str, ...]
    scores: tuple[str, ...]
    media: tuple[str, ...]
    tables: tuple[str, ...]
    stage: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """All logged names that the dashboard shows."""
        return (*self.curves, *self.scores, *self.media, *self.tables, *COSTS)


COSTS = ("cost/macs", "cost/parameters")
"""What a score is set against: the thesis's question is whether a hybrid is worth its cost."""


def _classification(table: str, title: str) -> Board:
    return Board(
        table,
        title,
        curves=("val/top1", "val/top5", "val/loss", "train/loss", "lr"),
        scores=("validate/val/top1", "validate/val/top5", "best/val/top1"),
        media=("confusion/val",),
        tables=("per_class/val", "confused/val"),
    )


BOARDS = (
    _classification("table-4.1", "Table 4.1: classification of TU-Berlin"),
    _classification("table-4.2", "Table 4.2: classification of Mini-QuickDraw"),
    Board(
        "table-4.3",
        "Table 4.3: unimodal retrieval",
        curves=(),
        scores=("test/map", "test/mrr", "test/p10"),
        media=("gallery/test", "confusion/test"),
        tables=("per_class/test", "confused/test"),
    ),
    Board(
        "table-4.4",
        "Table 4.4: retrieval of photos for sketches",
        curves=("val/map", "val_unseen/map", "val/p10", "val_unseen/p10", "train/loss", "lr"),
        scores=("test/map", "test_expanded/map", "test_reranked/map", "test/p10", "best/val/map"),
        media=("gallery/test", "confusion/test"),
        tables=("per_class/test", "confused/test"),
        stage="stage3",
    ),
)
"""The dashboards, in the order of the thesis's tables."""
