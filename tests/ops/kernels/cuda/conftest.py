"""The kernels' callers on the host launcher, with every fresh tensor full of NaN."""

import pytest
import torch

from hybrid_sbir.ops.kernels.cuda import launch
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


@pytest.fixture
def host_launcher(session_launcher):
    """The package's kernels run on the host, on CPU tensors, until the test ends.

    ``torch.empty`` gives NaN (PyTorch's own switch for that is its deterministic mode): what a kernel forgets to
    write shows.
    """
    torch.use_deterministic_algorithms(True, warn_only=True)
    session_launcher.reversed, session_launcher.wide = False, False
    session_launcher.launched.clear()
    try:
        with launch.using(session_launcher):
            yield session_launcher
    finally:
        torch.use_deterministic_algorithms(False)
