"""Shared fixtures: the real data beside the project, and the marks that say why they skip."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# New examples where somebody can look at them; the same ones every time where a failure stops everybody.
settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")

SHARED = Path(os.environ.get("HYBRID_SBIR_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the tests marked slow too")


def pytest_collection_modifyitems(config, items):
    import torch

    for item in items:
        if "slow" in item.keywords and not config.getoption("--slow"):
            item.add_marker(pytest.mark.skip(reason="slow: run with --slow (make test-slow)"))
        if "gpu" in item.keywords and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="gpu: no CUDA device on this machine"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and published outputs; tests that need it skip where it is missing."""
    if not SHARED.is_dir():
        pytest.skip(f"no folder {SHARED.name} beside the project (set HYBRID_SBIR_SHARED to point to it)")
    return SHARED


@pytest.fixture(autouse=True)
def one_thread():
    """Two pytest workers on two cores: more threads each would only wait for one another, and results vary less."""
    import torch

    torch.set_num_threads(1)
