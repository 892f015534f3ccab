"""The command line: one entry point, its verbs imported only when called, errors in one line."""

import os
import select
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import NoReturn

from hybrid_sbir.cli.messages import shorten
from hybrid_sbir.cli.verbs import Verb, choose, overview

TRACEBACK = "HYBRID_SBIR_TRACEBACK"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line ``argv`` (by default the process's own).

    Raises:
        SystemExit: with 2 for a wrong command or configuration, 1 for an error of the run, 128 + n for signal n.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help", "help"):
        print(overview())
        raise SystemExit(0 if words else 2)
    if words[0] == "--version":
        print(f"hybrid-sbir {_version()}")
        return
    try:
        name, verb, rest = choose(words)
    except ValueError as error:
        _fail("hybrid-sbir", error, code=2)
    _run(name, verb, rest)


def _run(name: str, verb: Verb, rest: list[str]) -> None:
    """Run a verb; what a user can mend is told in one line, anything else keeps its traceback."""
    if os.environ.get(TRACEBACK):
        verb.run(name, rest)
        return
    from jsonargparse import ArgumentError

    try:
        verb.run(name, rest)
        sys.stdout.flush()
    except BrokenPipeError as error:
        _leave_reader(f"hybrid-sbir {name}", error)
    except ArgumentError as error:
        _fail(f"hybrid-sbir {name}", error, code=2, hint=f" (options: hybrid-sbir {name} --help)")
    except ImportError as error:
        if "pip install 'hybrid-sbir[" not in str(error):
            raise  # anything but an extra that is not installed is a defect
        _fail(f"hybrid-sbir {name}", error, code=1, hint=f" (traceback: {TRACEBACK}=1)")
    except (ValueError, OSError, FloatingPointError) as error:
        _fail(f"hybrid-sbir {name}", error, code=1, hint=f" (traceback: {TRACEBACK}=1)")


def _leave_reader(program: str, error: BrokenPipeError) -> NoReturn:
    """Leave as ``SIGPIPE`` makes other tools leave where what read our lines has seen enough: ``| head``."""
    reader = select.poll()
    reader.register(sys.stdout.fileno(), 0)
    if not reader.poll(0):
        _fail(program, error, code=1)  # another pipe is broken, of a loading process say
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes once more at its end
    raise SystemExit(128 + signal.SIGPIPE) from error


def _fail(program: str, error: Exception, code: int, hint: str = "") -> NoReturn:
    """Print one error and leave."""
    words = shorten(str(error)) or type(error).__name__
    print(f"{program}: error: {words}{hint}", file=sys.stderr, flush=True)
    raise SystemExit(code) from error


def _version() -> str:
    try:
        return version("hybrid-sbir")
    except PackageNotFoundError:
        return "(not installed)"
