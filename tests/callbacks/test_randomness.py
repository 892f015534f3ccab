"""What a step draws depends on seed, process, epoch and step, and on nothing that ran before."""

import random
from types import SimpleNamespace

import numpy as np
import torch

from hybrid_sbir.callbacks import StepRandomness


def draws(seed=0, rank=0, epoch=0, step=0):
    random.random(), np.random.random(), torch.rand(3)
    trainer = SimpleNamespace(global_rank=rank, current_epoch=epoch)
    StepRandomness(seed).on_train_batch_start(trainer, None, None, step)
    return random.random(), float(np.random.random()), torch.rand(1).item()


def test_repeats_and_differs():
    first = draws()
    assert draws() == first
    others = [draws(seed=1), draws(rank=1), draws(epoch=1), draws(step=1), first]
    assert all(len({other[kind] for other in others}) == 5 for kind in range(3))
