"""The launcher's dealings with CuPy and PyTorch, and why it says that it cannot run; with a CuPy made for the test."""

import contextlib
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from hybrid_sbir.ops.kernels.cuda import launch
from tests.ops.kernels.cuda.probes import probe


class CudaError(RuntimeError):
    """Stands for cupy.cuda.runtime.CUDARuntimeError."""


def fail(error):
    def call():
        raise error

    return call


def fake_cupy(version="14.2.0", built=13020, driver=13000, hip=False, devices=lambda: 1, nvrtc=lambda: (13, 0)):
    """As much of CuPy as the launcher uses; it writes down what it is asked."""
    log = []

    class Device(contextlib.nullcontext):
        def __init__(self, index):
            super().__init__()
            log.append(("device", index))

    class Stream(contextlib.nullcontext):
        @classmethod
        def from_external(cls, stream):
            log.append(("stream", stream.__cuda_stream__()))
            return cls()

    class RawModule:
        def __init__(self, code, options):
            log.append(("module", code, options))

        def get_function(self, name):
            log.append(("function", name))
            return lambda grid, block, args, shared_mem: log.append(("run", name, grid, block, args, shared_mem))

    runtime = SimpleNamespace(
        is_hip=hip,
        runtimeGetVersion=lambda: built,
        driverGetVersion=lambda: driver,
        getDeviceCount=devices,
        CUDARuntimeError=CudaError,
    )
    cuda = SimpleNamespace(runtime=runtime, Device=Device, Stream=Stream, nvrtc=SimpleNamespace(getVersion=nvrtc))
    return SimpleNamespace(__version__=version, cuda=cuda, RawModule=RawModule, log=log)


@pytest.fixture
def torch_with_cuda(monkeypatch):
    """A PyTorch that believes in a GPU of capability 9.0 whose current stream is 77."""
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index=None: (9, 0))
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device=None: SimpleNamespace(cuda_stream=77))
    monkeypatch.setattr(torch.cuda, "device", lambda index: contextlib.nullcontext())


def use(monkeypatch, cupy):
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    return cupy


def test_it_can_run(monkeypatch, torch_with_cuda):
    use(monkeypatch, fake_cupy())
    assert launch.available(0) == (True, "CUDA kernels through CuPy 14.2.0, compute capability 9.0")


@pytest.mark.parametrize("built", ["12.8", "13.0"])
def test_without_cupy_the_fitting_extra_is_named(monkeypatch, torch_with_cuda, built):
    monkeypatch.setattr(torch.version, "cuda", built)
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.setattr(sys, "meta_path", [_NoCupy(), *sys.meta_path])
    works, reason = launch.available(0)
    assert not works
    assert reason == f"CuPy is not installed; `pip install 'hybrid-sbir[cuda{built[:2]}]'`"


class _NoCupy:
    """Finds that there is no CuPy, wherever the test runs."""

    def find_spec(self, name, path=None, target=None):
        if name == "cupy":
            raise ModuleNotFoundError("No module named 'cupy'", name="cupy")


@pytest.mark.parametrize(
    ("cupy", "words"),
    [
        (fake_cupy(version="13.6.0"), r"CuPy is 13.6.0; it must be 14 or newer.*hybrid-sbir\[cuda13\]"),
        (fake_cupy(hip=True), "CuPy 14.2.0 is built for ROCm"),
        (fake_cupy(driver=12040), "CuPy is built for CUDA 13, but the driver supports CUDA 12.4 at most"),
        (fake_cupy(devices=fail(CudaError("no CUDA-capable device"))), "CuPy sees no CUDA device.*nvidia-smi"),
        (fake_cupy(nvrtc=fail(RuntimeError("libnvrtc.so.13"))), r"does not find NVRTC.*libnvrtc.so.13.*\[cuda13\]"),
    ],
)
def test_a_refusal_says_what_is_wrong_and_what_to_do(monkeypatch, torch_with_cuda, cupy, words):
    use(monkeypatch, cupy)
    works, reason = launch.available(0)
    assert not works
    assert re.search(words, reason), reason


def test_an_older_driver_of_the_same_major_version_does(monkeypatch, torch_with_cuda):
    use(monkeypatch, fake_cupy(built=13020, driver=13000))
    assert launch.available(0)[0]


def test_old_gpus_and_rocm_are_refused(monkeypatch, torch_with_cuda):
    use(monkeypatch, fake_cupy())
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index=None: (7, 0))
    assert launch.available(2) == (
        False,
        "GPU 2 has compute capability 7.0; the kernels need 7.5 (Turing) or newer",
    )
    monkeypatch.setattr(torch.version, "hip", "6.2")
    assert "PyTorch is built for ROCm" in launch.available(0)[1]


@pytest.fixture
def cupy(monkeypatch, torch_with_cuda):
    launch._kernel.cache_clear()
    launch._module.cache_clear()
    yield use(monkeypatch, fake_cupy())
    launch._kernel.cache_clear()
    launch._module.cache_clear()


TEXT = 'extern "C" __global__ void one(const float* x, float* y, int n, double r) {}'


def test_pytorchs_device_and_stream_and_exact_sizes_are_passed(cupy):
    x = torch.zeros(3)
    launch.CupyLauncher().launch(probe(TEXT), "one", 5, 64, [x, None, 7, 0.5], 128)
    assert ("device", 1) in cupy.log
    assert ("stream", (0, 77)) in cupy.log
    _, name, grid, block, args, shared = cupy.log[-1]
    assert (name, grid, block, shared) == ("one", (5,), (64,), 128)
    assert args == (x.data_ptr(), 0, 7, 0.5)
    assert [type(a) for a in args] == [np.uint64, np.uint64, np.int32, np.float64]


def test_a_program_is_compiled_once_for_all_its_kernels(cupy):
    for kernel in ("one", "two", "one"):
        launch.CupyLauncher().launch(probe(TEXT), kernel, 1, 32, [torch.zeros(1), None, 1, 0.0])
    assert sum(entry[0] == "module" for entry in cupy.log) == 1
    assert [entry[1] for entry in cupy.log if entry[0] == "function"] == ["one", "two"]
    launch.CupyLauncher().launch(probe(TEXT, kernel_size=5), "one", 1, 32, [torch.zeros(1), None, 1, 0.0])
    assert sum(entry[0] == "module" for entry in cupy.log) == 2


def test_nothing_is_launched_for_an_empty_batch(cupy):
    launch.CupyLauncher().launch(probe(TEXT), "one", 0, 32, [torch.zeros(0), None, 1, 0.0])
    assert cupy.log == []


def test_a_number_that_is_no_int_is_refused(cupy):
    with pytest.raises(OverflowError):
        launch.CupyLauncher().launch(probe(TEXT), "one", 1, 32, [torch.zeros(1), None, 2**31, 0.0])


def test_the_launcher_is_replaced_for_a_while_only():
    before = launch.current()
    other = launch.CupyLauncher()
    with contextlib.suppress(KeyError), launch.using(other):
        assert launch.current() is other
        raise KeyError
    assert launch.current() is before
