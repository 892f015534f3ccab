"""``hybrid-sbir bench`` and ``bench ops``: what they print and write, what they refuse, and the goals they name."""

import json
from collections import Counter

import pytest
import torch

from hybrid_sbir.bench import goals, operators, overview, timing
from hybrid_sbir.bench.sizes import OPERATORS
from hybrid_sbir.bench.workload import BLOCKS
from hybrid_sbir.cli import main

SMALL = ["--device", "cpu", "--sizes", "4:8", "--batch", "2", "--kernel_size", "3", "--rounds", "2", "--threads", "1"]


@pytest.fixture(autouse=True)
def a_small_copy(monkeypatch):
    """The copy of 256 MiB is measured in the test of its own."""
    monkeypatch.setattr(timing, "_COPY_BYTES", 1 << 20)


def failing(words, capsys):
    with pytest.raises(SystemExit) as end:
        main(["bench", *words])
    assert end.value.code == 1
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error


def test_every_figure_is_printed_and_written(tmp_path, capsys):
    out = tmp_path / "new" / "ops.json"
    main(["bench", "ops", *SMALL, "--only", "aggregation", "--out", str(out)])
    record = json.loads(out.read_text())
    assert {"date", "device", "cpu", "implementation", "versions", "environment"} == set(record["machine"])
    assert record["machine"]["versions"]["torch"] == torch.__version__
    assert record["machine"]["cpu"]["threads"] == 1
    assert [row["contender"] for row in record["rows"]] == ["ours", "ours, channels last", "published"]
    for row in record["rows"]:
        assert row["failed"] is None
        assert row["forward_ms"]["calls"] == row["backward_ms"]["calls"] == 2
        assert 0 < row["forward_ms"]["least"] <= row["forward_ms"]["median"]
        assert row["peak_mib"] >= 0  # below a page at this size
        moved = row["bytes"]["forward"]
        assert moved == 4 * 2 * 16 * (8 + 9 + 8)
        share = moved / row["forward_ms"]["median"] * 1e3 / record["copy_bytes_per_second"]
        assert row["share_of_copy"]["forward"] == pytest.approx(share, abs=1e-3)
    printed = capsys.readouterr().out
    assert "(goal" not in printed  # they are set for other sizes
    assert "| aggregation | 4 x 4 x 8 | 2 | float32 | ours, channels last |" in " ".join(printed.split())


def test_without_an_argument_each_device_says_what_runs_there(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HYBRID_SBIR_OPS", "torch")
    out = tmp_path / "b.json"
    main(["bench", "--device", "cpu", "--rounds", "0", "--out", str(out)])
    lines = capsys.readouterr().out.splitlines()
    assert f"torch {torch.__version__}" in lines[0]
    assert "; compiler " in lines[0]
    assert lines[1].startswith("cpu (")
    assert lines[1].endswith("): torch: chosen by name")
    assert json.loads(out.read_text())["devices"] == {"cpu": {"implementation": "torch", "reason": "chosen by name"}}


def test_a_short_measurement_covers_every_operator(capsys, monkeypatch):
    monkeypatch.setattr(overview, "_SIZE", {"cpu": overview.Size(1, 4, 8, 3)})
    main(["bench", "--device", "cpu", "--rounds", "1"])
    printed = capsys.readouterr().out
    for name in OPERATORS:
        assert f"| {name:<19} | 4 x 4 x 8 |" in printed


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ops", "--device", "tpu"], "no device 'tpu' here; there are: cpu"),
        (["--device", "cuda:9"], "no device 'cuda:9' here; there are: cpu"),
        (["ops", "--device", "cpu", "--batch", "0"], "the batch is 0; it must be at least 1"),
        (["ops", "--device", "cpu", "--rounds", "0"], "rounds is 0; it must be at least 1"),
        (["ops", "--device", "cpu", "--sizes", "14"], "sizes is '14'; give SIDE:CHANNELS, as in 14:256,28:256"),
        (
            ["ops", "--device", "cpu", "--only", "agregation"],
            "no operator or block 'agregation'; there are: aggregation",
        ),
        (["ops", "--device", "cpu", "--dtypes", "int8"], "no type 'int8'; there are: float32"),
        (["ops", "--device", "cpu", "--threads", "-1"], "threads is -1; give 1 or more"),
        (["ops", "--device", "cpu", "--implementation", "cuda"], "no implementation 'cuda'; there are cupy, c, torch"),
        (["--rounds", "-1"], "rounds is -1; give 1 or more, or 0 for no timing"),
    ],
)
def test_wrong_numbers_and_names_are_refused_in_words(words, said, capsys):
    assert said in failing(words, capsys)


def test_half_precision_runs_in_every_contender(capsys):
    main(["bench", "ops", *SMALL, "--dtypes", "bfloat16", "--memory", "false"])
    lines = [line for line in capsys.readouterr().out.splitlines() if "| bfloat16 |" in line]
    names = Counter(line.split("|")[1].strip() for line in lines)
    assert names == dict.fromkeys(OPERATORS, 3) | dict.fromkeys(BLOCKS, 4)  # a block's relations stored, too
    assert not [line for line in lines if "failed" in line]


@pytest.mark.slow
def test_a_compiled_definition_takes_part(tmp_path):
    out = tmp_path / "ops.json"
    main(["bench", "ops", *SMALL, "--only", "aggregation", "--compiled", "true", "--out", str(out)])
    compiled = json.loads(out.read_text())["rows"][-1]
    assert (compiled["contender"], compiled["failed"]) == ("compiled", None)


def test_a_contender_that_does_not_run_is_named_and_the_others_are_measured(monkeypatch, tmp_path, capsys):
    def no_room(*arguments):
        raise torch.OutOfMemoryError("no room for it\nand a long account of why")

    monkeypatch.setitem(operators.PUBLISHED, "aggregation", no_room)
    out = tmp_path / "ops.json"
    main(["bench", "ops", *SMALL, "--only", "aggregation", "--memory", "false", "--out", str(out)])
    rows = {row["contender"]: row for row in json.loads(out.read_text())["rows"]}
    assert rows["published"]["failed"] == "OutOfMemoryError: no room for it"
    assert rows["ours"]["forward_ms"]["calls"] == 2
    assert rows["ours"]["times_as_fast_as_published"] is None
    assert "| published | failed |" in " ".join(capsys.readouterr().out.split())


def record(kind, *rows):
    return {"machine": {"device": {"type": kind}}, "rows": list(rows)}


def row(name, contender="ours", side=28, ratio=None, share=None, peak=None, batch=8):
    size = {"side": side, "channels": 256, "batch": batch, "kernel_size": 7}
    figures = {"times_as_fast_as_published": ratio, "share_of_copy": share, "peak_mib": peak}
    return {"name": name, "contender": contender, "dtype": "float32", "size": size, **figures}


def test_goals_on_a_cpu_are_of_the_aggregation():
    rows = [
        row("aggregation", ratio=15.04, peak=59.9),
        row("aggregation", side=14, ratio=14.9, peak=60.0),
        row("subtraction", ratio=20.0, peak=1.0),
        row("aggregation", ratio=20.0, peak=1.0, batch=2),
    ]
    said = [line.rpartition(": ")[2] for line in goals.of_operators(record("cpu", *rows))]
    assert said == ["reached)", "reached)", "not reached)", "not reached)"]


def test_goals_on_a_gpu_are_of_the_bandwidth_and_of_the_blocks():
    rows = [
        row("aggregation", share={"forward": 0.71, "backward": 0.69}, batch=64),
        row("aggregation", side=14, share={"forward": 0.1, "backward": 0.1}, batch=64),
        row("pairwise_block", ratio=3.1, peak=26, batch=64),
        row("pairwise_block", "published", ratio=1.0, peak=100, batch=64),
        row("pairwise_block", ratio=1.0),
    ]
    assert goals.of_operators(record("cuda", *rows)) == [
        "- aggregation, 28 x 28 x 256, float32, ours: forward 71 % of the copy's bandwidth (goal 70 %: reached)",
        "- aggregation, 28 x 28 x 256, float32, ours: backward 69 % of the copy's bandwidth (goal 70 %: not reached)",
        "- pairwise_block, 28 x 28 x 256, float32, ours: 3.10 times as fast as the published layout (goal 3: reached)",
        "- pairwise_block, 28 x 28 x 256, float32, ours: 0.26 of its memory (goal 0.25: not reached)",
    ]


@pytest.mark.gpu
def test_operators_and_blocks_are_measured_on_a_gpu(tmp_path):
    out = tmp_path / "ops.json"
    words = ["--device", "cuda", "--dtypes", "float32,bfloat16", "--out", str(out)]
    main(["bench", "ops", *SMALL[2:], *words])
    record = json.loads(out.read_text())
    assert record["machine"]["device"]["driver"]
    assert len(record["rows"]) == 2 * (8 * 3 + 2 * 4)
    for row in record["rows"]:
        assert row["failed"] is None
        assert row["forward_ms"]["least"] > 0
        assert row["peak_mib"] > 0
