"""A loader that can be stopped after any batch and continued with the next one, with any number of workers."""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from hybrid_sbir.batch import ClassificationBatch
from hybrid_sbir.data.loading.dataset import checked
from hybrid_sbir.data.loading.sampler import EpochSampler

_HASHED = ("classes", "samples", "labels")


def as_is(batch: Any) -> Any:
    """Return what the data set made: it collates whole batches itself."""
    return batch


class ResumableLoader(DataLoader[ClassificationBatch]):
    """A ``DataLoader`` over keys, whose state is the number of batches handed out.

    Its state dict does not depend on what workers have prepared ahead, so a checkpoint written between two steps
    continues with exactly the batch that the uninterrupted run would have used. Lightning stores the state of a
    loader that has these two methods (``CombinedLoader``) and announces epochs to the sampler; in a plain loop, each
    pass that runs to its end moves on to the next epoch.

    Attributes:
        epochs: the sampler, with its epoch and position.
    """

    def __init__(self, dataset: Dataset[Any], sampler: EpochSampler, batch_size: int, **options: Any) -> None:
        """Build the loader.

        Args:
            dataset: collates by itself in ``__getitems__``; where it has a method ``finish``, batches pass through
                that in this process; where it has a method ``identity``, a state holds what that returns.
            sampler: gives the order and holds the position.
            batch_size: samples a batch and process.
            options: further arguments of ``DataLoader``: ``drop_last``, ``num_workers``, ``pin_memory``...

        Raises:
            TypeError: if the sampler has no epochs.
        """
        if not isinstance(sampler, EpochSampler):
            raise TypeError(
                f"ResumableLoader needs an EpochSampler, got {type(sampler).__name__}; where Trainer(overfit_batches) "
                "put it, use limit_train_batches instead, and set use_distributed_sampler=False"
            )
        # A generator of its own: a loader takes a seed for its workers from it at each pass, and drawn from the global
        # one that would shift all other random numbers of a resumed run.
        options = {"collate_fn": as_is, "generator": torch.Generator(), **options}
        super().__init__(dataset, batch_size, sampler=sampler, **options)
        self.epochs = sampler
        self._finish: Callable[[Any], Any] = getattr(dataset, "finish", as_is)
        self._samples_a_batch = batch_size
        self._epoch, self._handed_out = 0, 0

    def __iter__(self) -> Iterator[ClassificationBatch]:  # type: ignore[override]
        # A generator, so that nothing starts before the first batch is asked for: Lightning makes the iterator first
        # and announces the epoch afterwards.
        self._epoch, self._handed_out = self.epochs.epoch, self.epochs.start // self._samples_a_batch
        for batch in super().__iter__():
            self._handed_out += 1
            yield self._finish(checked(batch))
        self.epochs.set_epoch(self._epoch + 1)

    def state_dict(self) -> dict[str, int | str]:
        """Return the position (epoch, batches of it that were handed out) and what it depends on."""
        epoch, batches = self._epoch, self._handed_out
        if epoch != self.epochs.epoch or self.epochs.start:
            epoch, batches = self.epochs.epoch, self.epochs.start // self._samples_a_batch
        elif batches and batches == len(self):
            epoch, batches = epoch + 1, 0
        return {"epoch": epoch, "batches": batches, **self._frame()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue at a position that :meth:`state_dict` returned.

        Raises:
            ValueError: if it lies inside an epoch and was taken with other data, another transform, seed, batch size or
                number of processes, so that "the next batch" has no meaning here.
        """
        frame = self._frame() if state["batches"] else {}
        changed = {name: value for name, value in frame.items() if state.get(name, value) != value}
        if changed:
            words = ", ".join(_difference(name, state[name], value) for name, value in changed.items())
            raise ValueError(
                f"cannot continue inside epoch {state['epoch']} after {state['batches']} batches: {words}; resume with "
                "the same settings, or from a checkpoint at the end of an epoch"
            )
        self._epoch, self._handed_out = state["epoch"], state["batches"]
        self.epochs.set_position(state["epoch"], state["batches"] * self._samples_a_batch)

    @cached_property
    def _identity(self) -> dict[str, str]:
        return getattr(self.dataset, "identity", dict)()

    def _frame(self) -> dict[str, int | str]:
        sampler = self.epochs
        return {
            "length": sampler.length,
            "seed": sampler.seed,
            "batch_size": self._samples_a_batch,
            "world_size": sampler.world_size,
            **self._identity,
        }


def _difference(name: str, was: int | str, now: int | str) -> str:
    if name in _HASHED:
        return f"the {name} are others than they were"
    return f"{name} was {was} and is {now}"
