"""Which implementation runs, and what is said about it."""

import subprocess
import sys
import warnings

import pytest
import torch

from hybrid_sbir import ops
from hybrid_sbir.ops import backends
from tests.ops.arguments import make_arguments


@pytest.fixture
def fresh(monkeypatch):
    """Nothing chosen, nothing remembered, before and after."""
    monkeypatch.delenv(backends.VARIABLE, raising=False)
    caches = (backends._available, backends._warn)
    for cached in caches:
        cached.cache_clear()
    yield monkeypatch
    for cached in caches:
        cached.cache_clear()


def test_the_cpu_has_kernels_or_a_reason(fresh):
    found = ops.backend("cpu")
    assert found.name in ("c", "torch")
    assert len(found.reason) > 10
    assert str(found) == f"{found.name}: {found.reason}"


def test_a_device_without_kernels_uses_pytorch(fresh):
    assert str(ops.backend("meta")) == "torch: there are no kernels for devices of type 'meta'"


def test_a_gpu_that_is_not_there_has_a_reason(fresh):
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    assert str(ops.backend("cuda")) == "torch: PyTorch sees no CUDA device"


def test_the_environment_chooses(fresh):
    fresh.setenv(backends.VARIABLE, "torch")
    assert str(ops.backend()) == "torch: chosen by name"
    fresh.setenv(backends.VARIABLE, "numba")
    with pytest.raises(ValueError, match="HYBRID_SBIR_OPS is 'numba'; it must be auto, cupy, c, torch"):
        ops.backend()


def test_using_chooses_for_a_block(fresh):
    before = ops.backend()
    with ops.using("torch"):
        assert ops.backend().name == "torch"
    assert ops.backend() == before
    with pytest.raises(ValueError, match="no implementation 'numba'; there are cupy, c, torch"), ops.using("numba"):
        pass


def test_using_what_cannot_run_says_why(fresh):
    fresh.setattr(backends, "_available", lambda name, index: (False, "no C compiler found"))
    with (
        pytest.raises(RuntimeError, match="the implementation 'c' cannot run here: no C compiler found"),
        ops.using("c"),
    ):
        pass


def test_one_warning_says_what_is_missing_and_the_result_is_right(fresh):
    arguments = make_arguments("aggregation", {"kernel_size": 3}, (5, 5))
    expected = ops.aggregation(*arguments, kernel_size=3)
    fresh.setattr(backends, "_available", lambda name, index: (False, "no C compiler found; install gcc"))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for _ in range(3):
            torch.testing.assert_close(ops.aggregation(*arguments, kernel_size=3), expected)
    (only,) = seen
    assert "runs in plain PyTorch, several times slower" in str(only.message)
    assert str(only.message).endswith("no C compiler found; install gcc")


def test_what_is_chosen_by_name_is_not_warned_of(fresh):
    with warnings.catch_warnings(), ops.using("torch"):
        warnings.simplefilter("error")
        ops.aggregation(*make_arguments("aggregation", {"kernel_size": 3}, (5, 5)), kernel_size=3)


def test_importing_the_operators_looks_for_neither_compiler_nor_cupy():
    code = "import sys, hybrid_sbir.ops; print([m for m in sys.modules if m.startswith(('cupy', KERNELS))])"
    code = code.replace("KERNELS", "'hybrid_sbir.ops.kernels'")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_every_implementation_has_every_operator(fresh):
    from hybrid_sbir.ops.operators import OPERATORS

    names = {f"{op.name}{way}" for op in OPERATORS for way in ("", "_backward")}
    for name in ("torch", "c", "cupy"):
        assert names <= set(backends._functions(name)), name
