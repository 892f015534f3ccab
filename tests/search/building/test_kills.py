"""Killed at any moment, a build goes on by the same command: no finished batch twice, the same bytes in the end."""

import json
import os
import random
import signal
import time

import pytest

from tests.search.building.conftest import draw


@pytest.fixture
def many(photos):
    """So many photos that a build takes a while."""
    for number in range(200):
        draw(photos / f"more{number % 7}" / f"{number}.png", 1000 + number)
    return photos


@pytest.fixture
def words(model, many, tmp_path):
    line = ["index", "--model", model, "--photos", many, "--batch_size", 16]

    def given(out):
        return [*line, "--out", tmp_path / out, "--workers", 1]

    return given


def journaled(folder):
    """Ids of the photos that were embedded, as often as they were."""
    found = []
    for path in (folder / ".building").glob("*.found"):
        for line in path.read_bytes().splitlines():
            try:
                plain = json.loads(line)
            except ValueError:  # cut off by the kill
                continue
            found += [plain["id"]] * ("reason" not in plain)
    return found


def killed_until_done(start, words, out, kills, seed):
    """Kill a build at random moments, then let it end; returns what the last one printed."""
    rng = random.Random(seed)
    for _ in range(kills):
        process = start(words)
        time.sleep(rng.uniform(0.05, 2.0))
        process.kill()
        process.join()
        twice = journaled(out)
        assert len(twice) == len(set(twice))
    process = start(words)
    process.join(120)
    assert process.exitcode == 0, process.log.read_text()
    return process.log.read_text()


@pytest.mark.parametrize(("kills", "seed"), [(3, 0), pytest.param(20, 1, marks=pytest.mark.slow)])
def test_kills_change_no_byte_and_cost_no_batch(start, words, index, tmp_path, content, kills, seed):
    killed_until_done(start, words("killed"), tmp_path / "killed", kills, seed)
    assert "211 photos, 2 skipped; 211 embedded now" in index(out="whole")[1]
    assert content(tmp_path / "killed") == content(tmp_path / "whole")


STEPS = [
    "hybrid_sbir.search.building.plan:make_plan",
    "hybrid_sbir.search.building.assembling:settled",
    "hybrid_sbir.search.building.assembling:store_file",
    "hybrid_sbir.search.building.assembling:store_written",
    "hybrid_sbir.search.stores:build",
    "hybrid_sbir.search.building.assembling:write_manifest",
    "hybrid_sbir.search.building.assembling:_tidy",
    "shutil:rmtree",
]


@pytest.mark.parametrize("when", [pytest.param("before", marks=pytest.mark.slow), "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_every_boundary(index, made, photos, tmp_path, content, monkeypatch, step, when):
    made()
    draw(photos / "class1" / "new.png", 100)
    (photos / "class0" / "3.png").unlink()
    module, _, name = step.partition(":")
    found = __import__(module, fromlist=[name])
    real = getattr(found, name)

    class Killed(BaseException):
        pass

    def dies(*args, **options):
        if when == "after":
            real(*args, **options)
        raise Killed

    monkeypatch.setattr(found, name, dies)
    if step.endswith("make_plan"):
        monkeypatch.setattr("hybrid_sbir.search.building.embedding.make_plan", dies)
    with pytest.raises(Killed):
        index()
    monkeypatch.undo()
    code, _, error = index()
    assert code == 0, error
    assert content(tmp_path / "index") == content(made(out="fresh"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_in_order_and_the_same_command_goes_on(start, words, tmp_path, number):
    out = tmp_path / "stopped"
    process = start(words("stopped"))
    limit = time.monotonic() + 60
    while not journaled(out) and time.monotonic() < limit:
        time.sleep(0.02)
    os.kill(process.pid, number)
    process.join(60)
    log = process.log.read_text()
    assert process.exitcode == 128 + number, log
    assert f"stopped by {number.name}; the same command goes on" in log
    assert "Traceback" not in log
    before = journaled(out)
    assert 0 < len(before) < 211
    process = start(words("stopped"))
    process.join(120)
    assert f"{211 - len(before)} embedded now" in process.log.read_text()


def test_a_build_with_other_settings_begins_anew(index, made, photos, tmp_path, content, monkeypatch):
    monkeypatch.setattr("hybrid_sbir.search.building.command.assemble", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        index()
    assert len(journaled(tmp_path / "index")) == 11
    monkeypatch.undo()
    code, out, _ = index(batch_size=32)
    assert code == 0
    assert "11 embedded now" in out
    assert content(tmp_path / "index") == content(made(out="fresh", batch_size=32))


def test_a_journal_whose_end_was_cut_off_or_altered_is_used_as_far_as_it_is_good(
    index, made, tmp_path, content, monkeypatch
):
    monkeypatch.setattr("hybrid_sbir.search.building.command.assemble", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        index()
    monkeypatch.undo()
    side = tmp_path / "index" / ".building"
    (found,), (vectors,) = side.glob("*.found"), side.glob("*.vectors")
    raw = bytearray(vectors.read_bytes())
    raw[5] ^= 1  # of the first photo
    vectors.write_bytes(raw)
    found.write_bytes(found.read_bytes()[: found.read_bytes().rindex(b'"crc"')])
    code, out, _ = index()
    assert code == 0
    assert "11 photos, 2 skipped; 2 embedded now" in out
    assert content(tmp_path / "index") == content(made(out="fresh"))
