"""The revision is that of the repository which tracks the file, and of no other."""

import subprocess

import pytest

from hybrid_sbir.callbacks.provenance import revision, versions


@pytest.fixture
def repository(tmp_path):
    def git(*words):
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", "-C", str(tmp_path), *who, *words], check=True, capture_output=True)

    git("init")
    (tmp_path / "own.py").write_text("1")
    git("add", "own.py")
    git("commit", "-m", "first")
    return tmp_path


def test_tracked_changed_and_foreign(repository):
    own, foreign = repository / "own.py", repository / "foreign.py"
    foreign.write_text("2")
    clean = revision(own)
    assert len(clean["commit"]) == 40
    assert clean["dirty"] is False
    assert revision(foreign) is None
    own.write_text("3")
    assert revision(own) == clean | {"dirty": True}


def test_outside_a_repository(tmp_path):
    (tmp_path / "file.py").write_text("1")
    assert revision(tmp_path / "file.py") is None


def test_versions_name_what_results_depend_on():
    assert {"python", "torch", "lightning", "hybrid-sbir"} <= versions().keys()
