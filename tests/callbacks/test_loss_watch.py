"""The epoch's mean loss is that over samples, whatever the accumulation and the sizes of the batches."""

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch.utils.data import DataLoader

from hybrid_sbir.batch import ClassificationBatch
from hybrid_sbir.callbacks import LossWatch


class Values(LightningModule):
    """Its loss is the mean of the batch's images; the weight stays out of it but for the graph."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def training_step(self, batch, batch_idx):
        return batch.image.mean() + 0 * self.weight

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def collate(rows):
    values = torch.tensor(rows)
    return ClassificationBatch(values, values.long(), values.long())


def fit(values, **options):
    loader = DataLoader(values, batch_size=2, collate_fn=collate)
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    trainer = Trainer(max_epochs=1, accelerator="cpu", callbacks=[LossWatch()], **quiet, **options)
    trainer.fit(Values(), loader)
    return trainer.callback_metrics["train/loss"].item()


@pytest.mark.parametrize("accumulate", [1, 2])
def test_mean_over_samples(accumulate):
    assert fit([1.0, 2.0, 3.0, 4.0, 90.0], accumulate_grad_batches=accumulate) == pytest.approx(20.0)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_names_step_and_samples(value):
    with pytest.raises(FloatingPointError, match=rf"the loss is {value} at step 1 \(epoch 0\), samples \[3, "):
        fit([1.0, 2.0, 3.0, value] if value != value else [1.0, 2.0, 3.0, 1e39])
