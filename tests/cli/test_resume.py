"""A run killed with SIGKILL, anywhere, and resumed ends bit for bit like one that was never stopped."""

import random
import signal
import time

import pytest

KILLED = -signal.SIGKILL

# 6 steps an epoch, a checkpoint after every second one but the last, 4 validation batches. fsync: 3 small files are
# written when training starts and each is flushed with its folder, so the calls after that are a checkpoint's.
PLACES = {
    "before the first checkpoint": ("batch_end", 1),
    "just after a checkpoint": ("batch_start", 9),
    "between checkpoints": ("batch_end", 9),
    "on an epoch's last step": ("batch_end", 12),
    "inside a validation": ("validation", 6),
    "after a validation": ("epoch_end", 2),
    "as an epoch starts": ("epoch_start", 2),
    "while a checkpoint is written": ("fsync", 11),
    "between a checkpoint's appearance and its folder's flush": ("fsync", 12),
    "in the last epoch's validation": ("validation", 12),
}
FEW = ["between checkpoints", "as an epoch starts", "inside a validation", "while a checkpoint is written"]


def noisy(saboteur):
    """A run whose weights depend on random numbers drawn while it trains."""
    return saboteur("Noise")


def resume_until_done(spawn, words):
    code, output = spawn([*words, "--ckpt_path", "last"])
    assert code == 0, output


@pytest.fixture
def reference(call, tiny, runs, outcome, saboteur):
    assert call(tiny("fit", *noisy(saboteur), name="whole")) == 0
    return outcome(runs / "whole")


def check(place, spawn, tiny, saboteur, runs, outcome, reference, *more):
    where, count = PLACES[place]
    more = [*more, *noisy(saboteur)]
    code, output = spawn(tiny("fit", *more, *saboteur("Signal", place=where, count=count), name="killed"))
    assert code == KILLED, output
    resume_until_done(spawn, tiny("fit", *more, name="killed"))
    assert outcome(runs / "killed") == reference


def test_killed_at_a_few_kinds_of_places(spawn, tiny, saboteur, runs, outcome, reference):
    for place in FEW:
        check(place, spawn, tiny, saboteur, runs, outcome, reference)
        (runs / "killed").rename(runs / place.replace(" ", "_"))


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("place", PLACES)
def test_killed_at_every_kind_of_place(place, workers, spawn, tiny, saboteur, runs, outcome, reference):
    check(place, spawn, tiny, saboteur, runs, outcome, reference, "--data.init_args.num_workers", workers)


def test_killed_with_loading_processes(spawn, tiny, saboteur, runs, outcome, reference):
    place = "between checkpoints"
    check(place, spawn, tiny, saboteur, runs, outcome, reference, "--data.init_args.num_workers", 2)


@pytest.mark.slow
def test_killed_at_twenty_random_moments(start, spawn, tiny, saboteur, runs, outcome, reference):
    rng = random.Random(0)
    noise, slow = noisy(saboteur), saboteur("Slow", seconds=0.05)
    for number in range(20):
        name = f"killed{number}"
        process = start(tiny("fit", *noise, *slow, name=name))
        time.sleep(rng.uniform(0.3, 2.5))
        process.kill()
        process.join()
        resume_until_done(spawn, tiny("fit", *noise, name=name))
        assert outcome(runs / name) == reference, name
