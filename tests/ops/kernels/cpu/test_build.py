"""Building on first use: what it says, and what happens when a compiler, a cache or the result is no good."""

import functools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hybrid_sbir.ops import Window, reference
from hybrid_sbir.ops.kernels.cpu import build, cache, compiler, implementation, openmp

SOURCES = build.SOURCES
# What trial.py needs: a library that is built in a second.
FEW = ["aggregation.c", "subtraction.c", "trial.py", *(path.name for path in SOURCES.glob("*.h"))]
START = """
import sys
from pathlib import Path
from hybrid_sbir.ops.kernels.cpu import build
build.SOURCES = Path(sys.argv[1])
"""


@pytest.fixture(autouse=True)
def _compiler():
    try:
        compiler.find_compiler()
    except build.BuildError as error:
        pytest.skip(str(error))


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """Nothing built yet: a cache and a few sources of one's own, which may be changed."""
    sources = tmp_path / "sources"
    sources.mkdir()
    for name in FEW:
        shutil.copy(SOURCES / name, sources)
    monkeypatch.setattr(build, "SOURCES", sources)
    monkeypatch.setattr(compiler, "_FLAGS", ("-O1", *(flag for flag in compiler._FLAGS if flag != "-O3")))
    monkeypatch.setenv("HYBRID_SBIR_CACHE", str(tmp_path / "cache"))
    forget(monkeypatch)
    return sources


def forget(monkeypatch):
    """As in a new process."""
    monkeypatch.setattr(build, "_built", functools.cache(build._built.__wrapped__))


def kept(tmp_path):
    return sorted((tmp_path / "cache" / "kernels").iterdir())


def assert_works():
    assert build.available()[0], build.available()[1]
    assert hasattr(build.library("float"), "aggregation")


def fake_compiler(folder, script):
    folder.mkdir(exist_ok=True)
    path = folder / "cc"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_the_words_name_compiler_instructions_and_threads(fresh):
    works, words = build.available()
    assert works
    assert re.fullmatch(r"C kernels, (gcc|clang) \d+\.\d+, [\w -]+, (OpenMP of torch|one thread \(.+\))", words)


def test_both_precisions_are_built_when_they_are_needed(fresh, tmp_path):
    assert_works()
    assert [path.name[:5] for path in kept(tmp_path)] == ["float"]
    build.library("double")
    assert [path.name[:6] for path in kept(tmp_path)] == ["double", "float-"]


def test_nothing_is_compiled_twice(fresh, tmp_path, monkeypatch):
    assert_works()
    forget(monkeypatch)
    monkeypatch.setattr(build._Plan, "compile", lambda *_: pytest.fail("compiled again"))
    assert_works()


def test_changed_sources_are_built_anew(fresh, tmp_path, monkeypatch):
    assert_works()
    (fresh / "kernel.h").write_text((fresh / "kernel.h").read_text() + "\n")
    forget(monkeypatch)
    assert_works()
    assert len(kept(tmp_path)) == 2


def test_no_compiler(fresh, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    words = "no C compiler found (looked for $CC, cc, gcc, clang); install gcc, or set CC"
    assert build.available() == (False, words)
    with pytest.raises(build.BuildError, match=re.escape(words)):
        build.library("double")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo no licence >&2; exit 3", "failed with status 3: no licence"),
        ("exit 1", "failed with status 1: it said nothing"),
        ("exit 0", "is no compiler like gcc or clang"),
    ],
)
def test_a_compiler_that_does_not_work(fresh, tmp_path, monkeypatch, script, words):
    monkeypatch.setenv("CC", fake_compiler(tmp_path / "bin", script))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    works, reason = build.available()
    assert not works
    assert reason.startswith("no C compiler works: ")
    assert words in reason


def test_a_named_compiler_that_is_not_there_gives_way_to_others(fresh, monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler -m64")
    assert_works()


def test_sources_that_do_not_compile(fresh):
    (fresh / "extra.c").write_text("int broken(void) { return missing; }\n")
    works, reason = build.available()
    assert not works
    assert "failed with status 1" in reason
    assert "missing" in reason


def test_open_symbols_show_when_linking(fresh):
    (fresh / "extra.c").write_text("int nowhere(void);\nint extra(void) { return nowhere(); }\n")
    works, reason = build.available()
    assert not works
    assert "nowhere" in reason


def test_wrong_numbers_are_refused(fresh, tmp_path):
    text = (fresh / "subtraction.c").read_text()
    (fresh / "subtraction.c").write_text(text.replace("centre[x * stride] - near", "centre[x * stride] + near"))
    works, reason = build.available()
    assert not works
    assert re.search(r"failed their trial with status 1: a subtraction gave \[4", reason)
    assert not kept(tmp_path)


def test_a_crash_ends_the_trial_and_not_this_process(fresh, tmp_path):
    text = (fresh / "aggregation.c").read_text()
    (fresh / "aggregation.c").write_text(text.replace("const job j =", "__builtin_trap();\n    const job j ="))
    works, reason = build.available()
    assert not works
    assert re.search(r"failed their trial with status -\d+: it said nothing", reason)
    assert not kept(tmp_path)


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: data[:-1] + b"!"])
def test_a_damaged_file_is_built_anew(fresh, tmp_path, monkeypatch, damage):
    assert_works()
    (path,) = kept(tmp_path)
    intact = path.read_bytes()
    path.unlink()  # not in place: this process has the old one mapped
    path.write_bytes(damage(intact))
    forget(monkeypatch)
    assert_works()
    (path,) = kept(tmp_path)
    assert path.read_bytes() == intact


def test_two_processes_may_build_at_once(fresh, tmp_path):
    command = [sys.executable, "-c", START + "print(build.available()[0])", str(fresh)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=120)[0] for process in both] == ["True\n"] * 2
    assert [path.suffix for path in kept(tmp_path)] == [".so"]


def test_a_cache_that_cannot_be_made_gives_way_to_a_temporary_folder(fresh, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HYBRID_SBIR_CACHE", str(tmp_path / "file"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    before = set(tmp_path.iterdir())
    assert_works()
    assert set(tmp_path.iterdir()) == before


def test_a_cache_that_others_can_write_is_not_used(fresh, tmp_path):
    folder = tmp_path / "cache" / "kernels"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    assert_works()
    assert not kept(tmp_path)


def test_a_cache_of_this_users_alone_is_made(fresh, tmp_path):
    assert_works()
    assert (tmp_path / "cache" / "kernels").stat().st_mode & 0o777 == 0o700


def test_the_cache_follows_the_users_folders(monkeypatch):
    monkeypatch.delenv("HYBRID_SBIR_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert cache.cache_folder() == Path("/elsewhere/hybrid_sbir/kernels")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.cache_folder() == Path.home() / ".cache/hybrid_sbir/kernels"


def test_without_openmp_one_thread_does_the_work(fresh, monkeypatch):
    monkeypatch.setattr(build, "torch_runtime", lambda: None)
    works, words = build.available()
    assert works, words
    assert words.endswith("one thread (no OpenMP that both torch and the compiler know)")
    torch.set_num_threads(2)
    x, weight = torch.randn(1, 4, 5, 5), torch.randn(1, 2, 9, 25)
    torch.testing.assert_close(
        implementation.aggregation(x, weight, Window(3)), reference.aggregation(x, weight, Window(3))
    )


def test_a_runtime_that_cannot_be_linked_is_left_out(fresh, tmp_path, monkeypatch):
    (tmp_path / "libgomp.so").write_text("no library")
    monkeypatch.setattr(build, "torch_runtime", lambda: tmp_path / "libgomp.so")
    works, words = build.available()
    assert works, words
    assert re.search(r"one thread \(.*failed with status 1: .*libgomp.so", words)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc/self/maps to see what is loaded")
def test_one_openmp_runtime_is_loaded(fresh):
    """The kernels bring no second one, and have threads where torch has."""
    program = START + (
        "import torch; torch.set_num_threads(2); build.library('float')\n"
        "from hybrid_sbir.ops.kernels.cpu import implementation; from hybrid_sbir.ops import Window\n"
        "implementation.aggregation(torch.ones(8, 4, 5, 5), torch.ones(8, 2, 9, 25), Window(3))\n"
        "print(build.available()[1]); print(open('/proc/self/maps').read())"
    )
    done = subprocess.run([sys.executable, "-c", program, str(fresh)], capture_output=True, text=True, check=True)
    words, maps = done.stdout.split("\n", 1)
    runtimes = set(re.findall(r"/\S*/lib(?:g|i)?omp[^/\s]*", maps))
    assert len(runtimes) == ("OpenMP of torch" in words)
    assert runtimes <= {str(openmp.torch_runtime())}
    assert re.search(r"/float-\w+-\w+\.so", maps)


@pytest.mark.skipif(os.name != "posix", reason="folders have owners on POSIX only")
def test_a_folder_of_another_user_is_not_private(tmp_path, monkeypatch):
    tmp_path.chmod(0o700)
    assert cache._is_private(tmp_path)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert not cache._is_private(tmp_path)
