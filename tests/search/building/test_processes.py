"""Several processes, as torchrun starts them, on one machine or as two nodes: the bytes of one, and no orphans."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.cli.test_distributed import LAYOUTS, end, free_port
from tests.search.building.conftest import draw


@pytest.fixture
def pair(start, model, photos, tmp_path):
    """Start one command twice."""

    def begin(layout, out, *more):
        shape, port = LAYOUTS[layout], free_port()
        line = [
            "index",
            "--model",
            model,
            "--photos",
            photos,
            "--batch_size",
            16,
            "--workers",
            0,
            "--accelerator",
            "cpu",
        ]
        line += ["--out", tmp_path / out, "--num_nodes", shape["nodes"], "--devices", 2 // shape["nodes"], *more]
        return [
            start(
                line,
                TORCHELASTIC_RUN_ID="test",
                MASTER_ADDR="127.0.0.1",
                MASTER_PORT=str(port),
                WORLD_SIZE="2",
                RANK=str(rank),
                LOCAL_RANK=str(shape["local"][rank]),
                GROUP_RANK=str(shape["group"][rank]),
                LOCAL_WORLD_SIZE=str(2 // shape["nodes"]),
                GLOO_SOCKET_IFNAME="lo",
            )
            for rank in (0, 1)
        ]

    return begin


@pytest.mark.parametrize("layout", LAYOUTS)
def test_two_processes_give_the_bytes_of_one(pair, index, photos, tmp_path, content, layout):
    for number in range(60):
        draw(photos / "more" / f"{number}.png", 300 + number)
    processes = pair(layout, "two")
    assert end(processes) == [0, 0], "\n".join(p.log.read_text() for p in processes)
    assert "71 photos, 2 skipped; 71 embedded now" in processes[0].log.read_text()
    assert "photos" not in processes[1].log.read_text()
    assert index(out="one")[0] == 0
    assert content(tmp_path / "two") == content(tmp_path / "one")


def test_more_processes_than_batches(pair, index, tmp_path, content):
    processes = pair("two processes of one node", "two")
    assert end(processes) == [0, 0], "\n".join(p.log.read_text() for p in processes)
    processes = pair("two processes of one node", "two")  # nothing is left to embed
    assert end(processes) == [0, 0], "\n".join(p.log.read_text() for p in processes)
    assert index(out="one")[0] == 0
    assert content(tmp_path / "two") == content(tmp_path / "one")


@pytest.mark.slow
@pytest.mark.parametrize("number", [None, signal.SIGTERM, signal.SIGKILL])
def test_one_command_starts_its_processes_and_takes_them_with_it(model, photos, index, tmp_path, content, number):
    for number_of in range(60 if number is None else 3000):
        draw(photos / "more" / f"{number_of}.png", 300 + number_of)
    line = ["index", "--model", model, "--photos", photos, "--batch_size", 16, "--workers", 0, "--accelerator", "cpu"]
    line = [sys.executable, "-m", "hybrid_sbir", *map(str, line), "--out", str(tmp_path / "two"), "--devices", "2"]
    process = subprocess.Popen(line, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE, text=True)
    if number is None:
        _, error = process.communicate(timeout=240)
        assert process.returncode == 0, error
        assert index(out="one")[0] == 0
        assert content(tmp_path / "two") == content(tmp_path / "one")
        return
    limit = time.monotonic() + 120
    while len(list((tmp_path / "two" / ".building").glob("*.found"))) < 2 and time.monotonic() < limit:
        time.sleep(0.1)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode in (128 + number, -number)
    limit = time.monotonic() + 30
    while running(tmp_path / "two") and time.monotonic() < limit:
        time.sleep(0.2)
    assert not running(tmp_path / "two")


def running(out):
    """Processes whose command line names a folder."""
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in found.splitlines() if str(out) in line and "hybrid_sbir" in line]
