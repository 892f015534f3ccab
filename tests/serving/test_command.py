"""``hybrid-sbir serve``: starts, says where, stops when told, and says why it does not start."""

import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest

from hybrid_sbir.cli import main


@pytest.fixture(autouse=True)
def log_as_it_was():
    log = logging.getLogger("hybrid_sbir.serving")
    before = log.handlers[:], log.propagate, log.level
    yield
    log.handlers, log.propagate = before[:2]
    log.setLevel(before[2])


DOT = {"strokes": [[[1], [1]]]}


@pytest.fixture
def started(index):
    """Start the verb in a process of its own; yields a function, and ends what is left."""
    processes = []

    def start(*words, **environment):
        command = [sys.executable, "-m", "hybrid_sbir", "serve", "--index", str(index), "--port", "0", *words]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
        )
        processes.append(process)
        line = process.stdout.readline()
        return process, re.search(r"http://\S+:\d+", line)[0]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_once_what_is_in_flight_is_answered(started, sent):
    process, url = started(HYBRID_SBIR_TOKEN="never-to-be-seen-in-a-log")
    statuses, stop = [], threading.Event()

    def ask() -> None:
        with httpx.Client(
            base_url=url, headers={"Authorization": "Bearer never-to-be-seen-in-a-log"}, trust_env=False
        ) as client:
            while not stop.is_set():
                try:
                    statuses.append(client.post("/search", json=DOT).status_code)
                except httpx.ConnectError:
                    return  # it listens no more
                except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                    statuses.append("closed")

    asking = [threading.Thread(target=ask) for _ in range(3)]
    for thread in asking:
        thread.start()
    while len(statuses) < 20:
        time.sleep(0.05)
    process.send_signal(sent)
    assert process.wait(20) == 0
    stop.set()
    for thread in asking:
        thread.join(10)
    said = process.stderr.read()
    # Between two requests a kept connection may be closed, once each; a request that was taken is answered.
    assert set(statuses) <= {200, "closed"}
    assert statuses.count("closed") <= 2 * len(asking)
    assert "POST /search 200" in said
    assert "never-to-be-seen" not in said
    assert "Traceback" not in said


def test_it_warns_where_others_could_reach_it(started):
    process, _ = started("--host", "0.0.0.0")
    process.send_signal(signal.SIGTERM)
    process.wait(20)
    assert "warning: everybody who reaches 0.0.0.0" in process.stderr.read()


def test_it_answers_at_the_address_it_names_and_under_names_given_with_a_port(started):
    _, url = started("--host", "127.0.0.2", "--hosts", "Sketches.Example:443")
    assert url.startswith("http://127.0.0.2:")
    for host, status in ((None, 200), ("sketches.example", 200), ("evil.example", 421)):
        headers = {"Host": host} if host else {}
        assert httpx.get(f"{url}/health", headers=headers, trust_env=False).status_code == status


def fails(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        main(["serve", *words])
    assert ended.value.code in (1, 2)
    return capsys.readouterr().err


def test_it_says_why_it_does_not_start(index, tmp_path, capsys, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = fails(capsys, "--index", str(index), "--port", port)
        assert f"cannot listen at 127.0.0.1, port {port}" in said
        assert "--port 0" in said
    assert "no index" in fails(capsys, "--index", str(tmp_path), "--port", "0")
    assert "65535" in fails(capsys, "--index", str(index), "--port", "70000")
    assert "no address" in fails(capsys, "--index", str(index), "--host", "no.such.host.invalid", "--port", "0")
    monkeypatch.setenv("HYBRID_SBIR_TOKEN", "short")
    assert "at least 16" in fails(capsys, "--index", str(index), "--port", "0")
    said = fails(capsys, "--index", str(index), "--token", "a-token-on-the-command-line")
    assert "token_file" in said
    assert "a-token-on" not in said
