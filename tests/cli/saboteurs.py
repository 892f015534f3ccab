"""Callbacks that do to a run what the world does: kill it, signal it, break its numbers."""

import os
import random
import resource
import signal
import time

import numpy as np
import torch
from lightning.pytorch import Callback


class At(Callback):
    """Do something the ``count``-th time that a run passes a ``place`` (counted from 1)."""

    def __init__(self, place: str, count: int):
        self.place, self.left = place, count

    def act(self):
        raise NotImplementedError

    def passing(self, place):
        if place == self.place:
            self.left -= 1
            if self.left == 0:
                self.act()

    def on_train_start(self, trainer, pl_module):
        real = os.fsync
        if self.place == "fsync":

            def fsync(handle):
                self.passing("fsync")
                real(handle)

            os.fsync = fsync

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.passing("batch_start")

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.passing("batch_end")

    def on_validation_batch_end(self, trainer, pl_module, *args, **kwargs):
        if not trainer.sanity_checking:
            self.passing("validation")

    def on_train_epoch_start(self, trainer, pl_module):
        self.passing("epoch_start")

    def on_train_epoch_end(self, trainer, pl_module):
        self.passing("epoch_end")


class Signal(At):
    """Send this process a signal."""

    def __init__(self, place: str, count: int, name: str = "SIGKILL"):
        super().__init__(place, count)
        self.number = getattr(signal, name)

    def act(self):
        os.kill(os.getpid(), self.number)


class Poison(At):
    """Break the weights, so that the next loss is no number."""

    def on_train_start(self, trainer, pl_module):
        self.module = pl_module

    def act(self):
        self.module.model.head.bias.data.fill_(float("nan"))


class Slow(Callback):
    """Make each step last, so that a kill from outside meets a random one."""

    def __init__(self, seconds: float):
        self.seconds = seconds

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        time.sleep(self.seconds)


class FullDisk(At):
    """Let no file grow beyond 3,000 bytes from here on."""

    def act(self):
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))


class Noise(Callback):
    """Let the weights depend on random numbers of all three generators."""

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        pl_module.model.head.bias.data += 0.01 * (torch.randn(3) + np.random.random() + random.random())
