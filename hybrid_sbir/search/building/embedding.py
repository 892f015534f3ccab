"""Embedding on whatever device and number of processes there is: Lightning's predict, a journal as its writer.

Shapes: B batch size, N photos, E embedding size.
"""

import logging
import warnings
from datetime import timedelta
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.plugins.environments import SLURMEnvironment
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch.utils.data import DataLoader
from tqdm import tqdm

from hybrid_sbir.search.building.job import Job
from hybrid_sbir.search.building.loading import PhotoBatch, PhotoBatches, quiet_worker
from hybrid_sbir.search.building.plan import Plan, make_plan, read_plan
from hybrid_sbir.search.building.writer import JournalWriter

_NO_NEWS = (  # the trainer's words on what is meant to be so
    ".*does not have many workers",
    ".*Couldn't infer the batch indices",
    ".*Total length of .* across ranks is zero",
    ".*was configured with predict_dataloader",
    ".*NVML",
    ".*LeafSpec.* is deprecated",
)


class PhotoEmbedding(LightningModule):
    """An encoder as the trainer sees it.

    Args:
        job: what is built.
    """

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._encoder, self._settings = job.encoder, job.settings
        self._transform = job.encoder.transform("photo")
        self.model = job.encoder.model  # so that the trainer moves it

    def predict_step(self, batch: PhotoBatch, batch_idx: int) -> np.ndarray:
        """Embed a batch: (N, E), float32."""
        count = sum(reason is None for _, reason in batch.entries)
        if not count:
            return np.zeros((0, self._encoder.embedding_size), np.float32)
        self._encoder.device = self.device
        images = self._transform.normalise(batch.pixels)
        scales, mirror = self._settings.scales, self._settings.mirror
        return self._encoder.embed(images, "photo", scales=scales, mirror=mirror)[:count]


class PlannedPhotos(LightningDataModule):
    """The batches of a plan, which the first process makes; each process has every so-many-th.

    Args:
        job: what is built.
        workers: loading processes of each process.
    """

    def __init__(self, job: Job, workers: int) -> None:
        super().__init__()
        self.prepare_data_per_node = False
        self.allow_zero_length_dataloader_with_multiple_devices = True
        self._job, self._workers = job, workers
        self.plan = Plan()

    def prepare_data(self) -> None:
        """Plan; the other processes wait."""
        with tqdm(desc="looking", unit=" photos", delay=2, mininterval=1) as bar:
            make_plan(self._job, bar.update)

    def setup(self, stage: str) -> None:
        """Read the plan."""
        self.plan = read_plan(self._job)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Move the pixels."""
        return batch._replace(pixels=batch.pixels.to(device, non_blocking=True))

    def predict_dataloader(self) -> DataLoader:
        """Return this process's batches."""
        trainer = self.trainer
        assert trainer is not None, "the trainer asks for it"
        return DataLoader(
            PhotoBatches(self._job, self.plan),
            batch_size=1,
            sampler=range(trainer.global_rank, self.plan.batches, trainer.world_size),
            collate_fn=_only,
            num_workers=self._workers,
            worker_init_fn=quiet_worker,
            pin_memory=trainer.strategy.root_device.type == "cuda",
        )


def embed_all(job: Job, accelerator: str, devices: int | str, num_nodes: int, workers: int) -> float:
    """Embed what is not known yet, and leave it in the journal; all processes have done so when this returns.

    Returns:
        Seconds that it took, the planning not counted.

    Raises:
        ValueError: if there are no such devices.
        OSError: if nothing can be written, or a loading process was killed.
    """
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        for words in _NO_NEWS:
            warnings.filterwarnings("ignore", message=words)
        several = num_nodes > 1 or _several(accelerator, devices)
        writer = JournalWriter(job)
        trainer = _trainer(job, writer, accelerator, devices, num_nodes, several)
        try:
            trainer.predict(PhotoEmbedding(job), datamodule=PlannedPhotos(job, workers), return_predictions=False)
        except RuntimeError as problem:
            if "DataLoader worker" not in str(problem):
                raise
            raise OSError(
                f"a loading process ended ({problem}); where memory was short, give fewer --workers or a smaller "
                "--max_pixels"
            ) from problem
        trainer.strategy.barrier()
        job.encoder.device = torch.device("cpu")  # where the trainer puts the model in the end
        return writer.seconds


def _trainer(
    job: Job, writer: JournalWriter, accelerator: str, devices: int | str, num_nodes: int, several: bool
) -> Trainer:
    try:
        return Trainer(
            accelerator=accelerator,
            devices=devices,
            num_nodes=num_nodes,
            # A process may be done long before the slowest.
            strategy=DDPStrategy(timeout=timedelta(days=7)) if several else "auto",
            callbacks=[writer],
            # Requeueing saves a checkpoint first, and there is none to save.
            plugins=[SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else None,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            default_root_dir=job.out,
        )
    except (MisconfigurationException, TypeError, ValueError) as problem:
        raise ValueError(
            f"no {accelerator} with {devices} devices on {num_nodes} machines here ({problem}); leave --accelerator, "
            "--devices and --num_nodes out, or give what this machine has"
        ) from problem


def _several(accelerator: str, devices: int | str) -> bool:
    """Whether there will be more than one process on this machine."""
    if devices == "auto":
        return accelerator in ("auto", "gpu", "cuda") and torch.cuda.device_count() > 1
    return devices not in (1, "1")


def _only(batches: list[PhotoBatch]) -> PhotoBatch:
    return batches[0]
