"""Callbacks that do to W&B's service what the world does."""

import os
import resource
import signal
from pathlib import Path

from lightning.pytorch import Callback

from hybrid_sbir.callbacks import wandb_run


def services():
    """Processes of W&B's service that this process has started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == os.getpid() and b"wandb-core" in command:
            found.append(int(folder.name))
    return found


class AfterEpoch(Callback):
    """Do something to the service after the first epoch's training."""

    def __init__(self, note: str):
        self.note = Path(note)

    def act(self, service):
        raise NotImplementedError

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 1:
            found = services()
            self.note.write_text(f"{len(found)}")
            wandb_run._ROW = wandb_run.PATIENCE = 3  # seconds: nor is it waited for as long as it would be
            for service in found:
                self.act(service)


class Killed(AfterEpoch):
    """Kill the service."""

    def act(self, service):
        os.kill(service, signal.SIGKILL)


class FullDisk(AfterEpoch):
    """Let none of the service's files grow further."""

    def act(self, service):
        resource.prlimit(service, resource.RLIMIT_FSIZE, (512, 512))


class Stopped(AfterEpoch):
    """Stop the service: it is there, and never answers."""

    def act(self, service):
        os.kill(service, signal.SIGSTOP)
