"""Where the kernels' tests run: on the host's launcher, and on a GPU; with every fresh tensor full of NaN."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest
import torch

from hybrid_sbir.ops.kernels.cuda import launch
from hybrid_sbir.ops.kernels.cuda.programs import Program
from tests.ops.kernels.cuda import host


@pytest.fixture(scope="session")
def library_folder(tmp_path_factory):
    """Compiled programs of this test session; parallel workers share it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if base.name.startswith("popen-") else base) / "cuda-on-the-host"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def session_launcher(library_folder):
    if host.COMPILER is None:
        pytest.skip("no g++ to compile the kernels for the host")
    return host.HostLauncher(library_folder)


@contextmanager
def _poisoned() -> Iterator[None]:
    """``torch.empty`` gives NaN (the switch for that is PyTorch's deterministic mode): what is not written shows."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.fixture
def host_launcher(session_launcher):
    """The package's kernels run on the host, on CPU tensors full of NaN at first, until the test ends."""
    session_launcher.reversed = False
    session_launcher.launched.clear()
    with _poisoned(), launch.using(session_launcher):
        yield session_launcher


@pytest.fixture(params=["host", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request):
    """``"cpu"`` with the kernels on the host, and ``"cuda"`` with the kernels on the GPU: a test runs on both."""
    if request.param == "host":
        request.getfixturevalue("host_launcher")
        yield "cpu"
        return
    works, reason = launch.available()
    if not works:
        pytest.skip(reason)
    with _poisoned():
        yield "cuda"


@dataclass
class _Wide:
    """A launcher that compiles every program with 64-bit offsets."""

    inner: launch.Launcher
    programs: list[Program]

    def launch(self, program, kernel, grid, block, args, shared_bytes=0):
        self.programs.append(replace(program, wide=True))
        self.inner.launch(self.programs[-1], kernel, grid, block, args, shared_bytes)


@pytest.fixture
def wide_launcher():
    """A context in which the launcher in use compiles with 64-bit offsets; it gives the programs that ran."""

    @contextmanager
    def widened() -> Iterator[list[Program]]:
        programs: list[Program] = []
        with launch.using(_Wide(launch.current(), programs)):
            yield programs

    return widened
