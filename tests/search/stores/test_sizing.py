"""The sizing page's figures are those of the committed measurements."""

import importlib
import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/pages/guides/search_sizing.md"


@pytest.fixture
def sizing(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    sys.modules.pop("sizing", None)
    return importlib.import_module("sizing")


@pytest.fixture
def made_up(sizing, tmp_path, monkeypatch):
    """Growth whose powers are known: search N^0.5 from 1 ms, build N^1 from 100 s, a file of 1000 bytes a photo."""
    rows = [
        {
            "kind": kind,
            "photos": 10**digits,
            "cpu_ms": 10 ** ((digits - 6) / 2),
            "p50_ms": 1.0,
            "p95_ms": 2.0,
            "recall": {"1": 1.0, "10": 0.99, "100": 0.98},
            "build_cpu_seconds": 100 * 10 ** (digits - 6),
            "bytes": {"vectors": 512 * 10**digits, "ann": 1000 * 10**digits},
            "anonymous_mib": 1,
            "mapped_mib": 2,
            "load": [1.0, 2.0],
        }
        for kind in sizing.ORDER
        for digits in (4, 5, 6)
    ]
    machine = {
        "cpu": {"model": "X", "cores": 2},
        "versions": dict.fromkeys(("faiss", "numpy", "torch"), "1"),
        "date": "2026-01-01",
    }
    made = {
        "results": {"grown": {"rows": rows, "machine": machine, "queries": 9, "notes": ["Alone."]}},
        "embedding": {
            "photos_per_cpu_second": 50.0,
            "photos_per_second": 80.0,
            "threads": 2,
            "what": "64 px",
            "load": [1, 2],
        },
    }
    monkeypatch.setattr(sizing, "JSON", tmp_path / "growth.json")
    sizing.JSON.write_text(json.dumps(made))
    return sizing


def cells(table, *beginning):
    found = [
        line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith(f"| {' | '.join(beginning)}")
    ]
    assert len(found) == 1
    return found[0][len(beginning) :]


def test_what_was_measured_is_carried_on_by_its_power(made_up):
    assert made_up.power("hnsw", "search") == pytest.approx(0.5)
    assert cells(made_up.growth(), "`hnsw`") == ["100,000 and 1,000,000", "N^0.50", "N^1.00", "N^1.00"]
    search, build, memory, disk, machines, month = cells(made_up.beyond(), "10^8", "`hnsw`")
    assert (search, build) == ("10 ms", "2.8 h")
    assert memory == "93 GiB"  # 10**11 bytes
    assert disk == "140 GiB"
    assert machines == "2"  # of 48 GiB
    assert month == f"{2 * 0.5 * 730 + 151.2 * 0.08:,.0f}"


def test_a_scan_goes_on_with_every_photo(made_up):
    """Whatever it grew with among the few that were measured."""
    assert cells(made_up.growth(), "`sq8`")[1] == "N^0.50"
    assert cells(made_up.beyond(), "10^8", "`sq8`")[0] == "100 ms"


def test_limits_are_where_the_curve_meets_them(made_up):
    five, fifty, memory, day = cells(made_up.limits(), "`hnsw`")
    assert (five, fifty) == ("25,000,000", "2,500,000,000")
    assert memory == f"{float(f'{48 * 2**30 / 1000:.2g}'):,.0f}"
    assert day == "860,000,000"


def test_embedding_goes_by_the_measured_rate_of_a_core(made_up):
    time, machines, cost = cells(made_up.embedding_time(), "10^9")
    assert time == "29 days"  # 10**9 / (50 * 8) s
    assert machines == "29"
    assert cost == "347"
    assert made_up.embedding_time().startswith(
        "Measured: 50 photos a second of a core's own time, 80 by the clock with 2"
    )


def test_circumstances_are_told(made_up):
    assert "9 queries; load of the machine 1 to 2. Alone." in made_up.circumstances()
    assert cells(made_up.measured(), "1,000,000", "`ivf`")[:2] == ["1.000, 0.990, 0.980", "1.00 / 2.00 ms"]


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.0004, "0.4 ms"), (1.5, "1.5 s"), (0.9, "900 ms"), (119, "119 s"), (7200, "2 h"), (9e8, "29 years")],
)
def test_times_have_two_digits(sizing, value, words):
    assert sizing.seconds(value) == words.replace("119", "120")


def test_the_page_has_no_figure_of_its_own(sizing):
    """Beside those of the method: what it shows of times and sizes comes from the generator."""
    text = re.sub(r"```.*?```", "", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    figures = re.findall(r"\d[\d.,]*\s*(?:ms|s|min|h|GiB|MiB|GB|TB|photos)\b", text)
    assert figures == ["16,384 photos", "10 s"]  # limits of the code
    asked = re.findall(r"<!-- repository: search (\w+) -->", text)
    assert sorted(asked) == sorted(sizing.ANSWERS)


def test_every_part_is_made_of_the_committed_measurements(sizing):
    rows = json.loads(sizing.JSON.read_text())["results"]["grown"]["rows"]
    assert {row["photos"] for row in rows} >= {10_000, 100_000, 1_000_000}
    for row in rows:
        found = cells(sizing.measured(), f"{row['photos']:,}", f"`{row['kind']}`")
        assert f"{row['recall']['10']:.3f}" in found[0]
        assert found[2] == f"{row['cpu_ms']:.2f} ms"
    for part in sizing.ANSWERS.values():
        assert "nan" not in part()
