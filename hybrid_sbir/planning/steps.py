"""What make would run for a table, from ``make -n``: the calls of ``hybrid-sbir``, in order."""

import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

_CALL = "hybrid-sbir-to-be-planned"
_UNCHANGING = {"--name", "--runs", "--seed_everything", "--ckpt_path", "--model.init_args.activation"}
"""Options that say which run it is, not what a step of it costs: pre- and post-activation differ in order only."""
_STARTS = {f"--model.init_args.{name}" for name in ("init_from", "init_sketch", "init_photo")}


@dataclass(frozen=True)
class Call:
    """One call of ``hybrid-sbir``.

    Attributes:
        verb: its first word.
        words: the others.
    """

    verb: str
    words: tuple[str, ...]

    def option(self, name: str) -> str | None:
        """Return the last value of an option."""
        places = [place for place, word in enumerate(self.words[:-1]) if word == name]
        return self.words[places[-1] + 1] if places else None

    @property
    def run(self) -> Path:
        """The run's folder."""
        runs, name = self.option("--runs"), self.option("--name")
        if runs is not None and name is not None:
            return Path(runs, name)
        return Path(self.option("--config") or "").parent

    @property
    def kind(self) -> tuple[str, ...]:
        """What is shared by calls of equal cost: everything but name and seed, and in training the initial weights."""
        kept = [self.verb]
        dropped = _UNCHANGING | (_STARTS if self.verb == "fit" else set())  # a test is of the model it starts from
        for before, word in zip(("", *self.words), self.words, strict=False):
            if word not in dropped and before not in dropped:
                kept.append(re.sub(r"-seed\d+", "", word))
        return tuple(kept)


def calls(target: str, make: str, settings: list[str]) -> list[Call]:
    """Return the calls that make would make now; what is finished is not among them.

    Raises:
        ValueError: in make's words where it refuses, and if data must be prepared first.
    """
    command = [*shlex.split(make), "-n", "--no-print-directory", "-o", "setup", target, *settings, f"RUN={_CALL}"]
    own = {name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "MFLAGS"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=own)
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise ValueError(f"make has no plan for {target}: {words[-1] if words else done.returncode}")
    lines = done.stdout.replace("\\\n", " ").splitlines()
    found = [shlex.split(line.strip().lstrip("@"))[1:] for line in lines if line.strip().lstrip("@").startswith(_CALL)]
    if unprepared := [words for words in found if words[0] == "data"]:
        raise ValueError(
            "the data is not prepared yet, and steps are measured on it; first: "
            f"hybrid-sbir {shlex.join(unprepared[0])}"
        )
    return [Call(words[0], tuple(words[1:])) for words in found if words[0] in ("fit", "validate", "test", "predict")]
