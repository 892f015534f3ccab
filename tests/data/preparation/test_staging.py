"""Folders switched in whole, by several at once."""

import sys
import threading

import pytest

from hybrid_sbir.data.preparation.staging import make_once, remove_abandoned


@pytest.fixture
def eager_switching():
    """Let threads take turns a hundred times as often, so that races show."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


def test_several_that_make_a_folder_at_once_make_it_once(tmp_path, eager_switching):
    for attempt in range(60):
        target, built, errors = tmp_path / str(attempt) / "made", [], []

        def build(folder, built=built):
            built.append(folder)
            (folder / "content").write_text("whole")

        def make(target=target, build=build, errors=errors):
            try:
                remove_abandoned(target.parent, target.name)
                make_once(target, build)
                assert (target / "content").read_text() == "whole"
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=make) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors
        assert len(built) == 1
        assert [path.name for path in target.parent.iterdir()] == ["made"]
