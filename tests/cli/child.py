"""Run a command line with its output in a file, in a process of its own; see ``conftest.start``."""

import multiprocessing
import os
import sys
from pathlib import Path

import torch


def run(words, log, environment):
    os.environ.update(environment)
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    multiprocessing.set_start_method("fork", force=True)  # this process inherited forkserver, which imports all again
    sys.path.insert(0, str(Path(__file__).parent))
    sys.argv = ["hybrid-sbir", *words]
    torch.set_num_threads(1)
    from hybrid_sbir.cli import main

    main()


if "job" in globals():
    run(**globals()["job"])
