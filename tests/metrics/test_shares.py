"""Processes that share a catalogue: the same bits for one, two and three, and one refusal for all."""

import multiprocessing
import socket

import pytest
import torch
import torch.distributed as dist

from hybrid_sbir.metrics import RankingMeter, ranking_metrics
from tests.metrics.test_streaming import METRICS, bits, sample

CASES = [
    (similarity, metric_ties, cuts)
    for similarity in ("cosine", "dot", "euclidean")
    for metric_ties in ("expected", "worst")
    for cuts in ((100, 290), (150, 150))  # where three processes' shares end; the second gives the second one nothing
]


def ranked(similarity, ties, group=None, begin=0, end=None):
    (queries, catalogue, query_labels, labels), exclude = sample()
    share = slice(begin, end)
    options = {"similarity": similarity, "ties": ties, "exclude": exclude, "chunk": 64, "group": group}
    return bits(ranking_metrics(queries, catalogue[share], query_labels, labels[share], METRICS, **options))


def refusal(call):
    try:
        call()
    except ValueError as error:
        return str(error)
    return "no refusal"


def gathered(rank):
    """Every third sample, the shorter shares filled up with samples of the others."""
    (queries, catalogue, query_labels, labels), _ = sample()
    meter = RankingMeter(METRICS)
    for role, embeddings, own in (("query", queries, query_labels), ("photo", catalogue, labels)):
        index = torch.arange(rank, -(-len(own) // 3) * 3, 3) % len(own)
        for rows in (index[:5], index[5:]):
            meter.update(embeddings[rows], own[rows], rows, role)
    return meter.compute(), bits(meter.values)


def one_of_three(rank, port, results):
    """Rank with all three processes, with two of them and with one, and hear of another's mistakes."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"tcp://localhost:{port}", rank=rank, world_size=3)
    groups = {3: dist.group.WORLD, 2: dist.new_group([0, 1]), 1: dist.new_group([0])}
    found = {}
    for size, group in groups.items():
        if rank < size:
            for similarity, ties, cuts in CASES:
                bounds = [0, *cuts[: size - 1], None]
                share = (bounds[rank], bounds[rank + 1])
                found[size, similarity, ties, cuts] = ranked(similarity, ties, group, *share)
    (queries, catalogue, query_labels, labels), exclude = sample()
    if rank == 1:
        catalogue = catalogue.clone().fill_(torch.nan)
    world = dist.group.WORLD
    found["not finite"] = refusal(lambda: ranking_metrics(queries, catalogue, query_labels, labels, group=world))
    catalogue = sample()[0][1]
    other = queries + rank
    found["different"] = refusal(lambda: ranking_metrics(other, catalogue, query_labels, labels, group=world))
    far = exclude + 700
    found["far"] = refusal(lambda: ranking_metrics(queries, catalogue, query_labels, labels, exclude=far, group=world))
    nothing = catalogue[:0], query_labels, labels[:0]
    found["empty"] = refusal(lambda: ranking_metrics(queries, *nothing, group=world))
    found["meter"] = gathered(rank)
    results.put((rank, found))
    dist.barrier()
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def told():
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hybrid_sbir.metrics"])  # imported once, not by each
    results = context.Queue()
    workers = [context.Process(target=one_of_three, args=(rank, port, results)) for rank in range(3)]
    for worker in workers:
        worker.start()
    found = dict(results.get(timeout=150) for _ in workers)
    for worker in workers:
        worker.join(60)
    return found


@pytest.mark.parametrize("size", [1, 2, 3])
def test_any_number_of_processes_gives_the_same_bits(told, size):
    for similarity, ties, cuts in CASES:
        expected = ranked(similarity, ties)
        for rank in range(size):
            assert told[rank][size, similarity, ties, cuts] == expected


def test_a_meter_counts_the_samples_of_all_processes_once(told):
    arguments, _ = sample()
    found = ranking_metrics(*arguments, METRICS)
    for rank in range(3):
        assert told[rank]["meter"] == (found.mean(), bits(found))


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("not finite", "process 1: 311 of 311 rows of catalogue are not finite"),
        ("different", "the processes were given different queries or settings"),
        ("far", "exclude reaches from 703 to 1005; give places in the catalogue, 0 to 932"),
        ("empty", "the catalogue is empty"),
    ],
)
def test_a_refusal_is_every_processs(told, case, words):
    said = {told[rank][case] for rank in range(3)}
    assert len(said) == 1
    assert said.pop().startswith(words)
