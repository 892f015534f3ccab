"""Several processes, on one machine or as two nodes on the loopback: the same numbers, and all end when one ends."""

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

SHARED = ["--trainer.strategy", "ddp"]
LAYOUTS = {
    "two processes of one node": {"nodes": 1, "local": (0, 1), "group": (0, 0)},
    "two nodes of one process": {"nodes": 2, "local": (0, 0), "group": (0, 1)},
}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def pair(start):
    """Start a command twice, as ``torchrun`` would start it."""

    def begin(words, layout):
        shape, port = LAYOUTS[layout], free_port()
        counts = ["--trainer.num_nodes", str(shape["nodes"]), "--trainer.devices", str(2 // shape["nodes"])]
        processes = []
        for rank in (0, 1):
            environment = {
                "TORCHELASTIC_RUN_ID": "test",
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
                "WORLD_SIZE": "2",
                "RANK": str(rank),
                "LOCAL_RANK": str(shape["local"][rank]),
                "GROUP_RANK": str(shape["group"][rank]),
                "LOCAL_WORLD_SIZE": str(2 // shape["nodes"]),
                "GLOO_SOCKET_IFNAME": "lo",
            }
            processes.append(start([*words, *SHARED, *counts], **environment))
        return processes

    return begin


def end(processes, timeout=120):
    limit = time.monotonic() + timeout
    for process in processes:
        process.join(max(0, limit - time.monotonic()))
    return [process.exitcode for process in processes]


def record(folder):
    return json.loads((folder / "metrics.json").read_text())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_two_processes_score_as_one(layout, pair, call, tiny, runs):
    fit = pair(tiny("fit", "--trainer.max_epochs", 2), layout)
    assert end(fit) == [0, 0], fit[1].log.read_text()
    with (runs / "run/metrics.csv").open() as file:
        row = list(csv.DictReader(file))[-1]
    assert call(tiny("validate", "--ckpt_path", "last")) == 0
    alone = record(runs / "run")["validate"]
    for name in ("val/top1", "val/top5", "val/loss"):
        assert float(row[name]) == alone[name]
    assert record(runs / "run")["device"]["processes"] == 2


def test_two_processes_predict_as_one(pair, call, tiny, runs):
    assert call(tiny("fit", "--trainer.max_epochs", 1)) == 0
    saved = []
    for run in (lambda: [call(tiny("predict"))], lambda: end(pair(tiny("predict"), "two processes of one node"))):
        assert set(run()) == {0}
        with np.load(runs / "run/predictions.npz") as file:
            saved.append(dict(file))
    for name in saved[0]:
        np.testing.assert_array_equal(saved[0][name], saved[1][name], err_msg=name)


def test_one_of_two_that_is_told_to_stop_stops_both(pair, tiny, saboteur, runs):
    processes = pair(tiny("fit", *saboteur("Slow", seconds=0.3)), "two nodes of one process")
    wait_for(runs / "run/checkpoints/last.ckpt", processes)
    os.kill(processes[1].pid, signal.SIGTERM)
    assert end(processes) == [143, 143], processes[0].log.read_text()
    assert "stopped by SIGTERM" in processes[0].log.read_text()


def test_one_of_two_that_is_killed_ends_the_other(pair, tiny, saboteur, runs):
    processes = pair(tiny("fit", *saboteur("Slow", seconds=0.3)), "two nodes of one process")
    wait_for(runs / "run/checkpoints/last.ckpt", processes)
    processes[1].kill()
    assert end(processes, timeout=30)[1] == -signal.SIGKILL
    assert processes[0].exitcode not in (0, None), processes[0].log.read_text()


def wait_for(path, processes, timeout=60):
    limit = time.monotonic() + timeout
    while not path.exists():
        assert time.monotonic() < limit, processes[0].log.read_text()
        time.sleep(0.05)


@pytest.mark.slow
def test_a_killed_process_ends_the_one_that_started_it(tiny, runs):
    """The trainer's own launcher: the first process starts the second."""
    command = [sys.executable, "-m", "hybrid_sbir", *tiny("fit", "--trainer.max_epochs", 2000)]
    process = subprocess.Popen([*command, *SHARED, "--trainer.devices", "2"], stderr=subprocess.PIPE)
    wait_for(runs / "run/checkpoints/last.ckpt", [], timeout=120)
    child = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()[-1]
    os.kill(int(child), signal.SIGKILL)
    assert process.wait(30) != 0
    process.stderr.close()


@pytest.mark.slow
def test_torchrun_on_two_nodes(tiny, runs, call):
    port, processes = free_port(), []
    words = [*tiny("fit", "--trainer.max_epochs", 1), *SHARED, "--trainer.num_nodes", "2", "--trainer.devices", "1"]
    for rank in range(2):
        place = ["--nnodes", "2", "--nproc-per-node", "1", "--node-rank", str(rank)]
        meeting = ["--master-addr", "127.0.0.1", "--master-port", str(port)]
        command = [sys.executable, "-m", "torch.distributed.run", *place, *meeting, "-m", "hybrid_sbir", *words]
        processes.append(subprocess.Popen(command, env={**os.environ, "GLOO_SOCKET_IFNAME": "lo"}))
    assert [process.wait(200) for process in processes] == [0, 0]
    assert record(runs / "run")["device"]["nodes"] == 2
    assert call(tiny("validate")) == 0
    assert record(runs / "run")["validate"]["val/loss"] == record(runs / "run")["best"]["val/loss"]
