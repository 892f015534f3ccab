"""``hybrid-sbir rows``: the rows of a table as shell commands, each independent of the others.

A command is a ``make`` of the file that says that the row is finished, so it does what this row still needs and nothing
else, and a second call does nothing.
"""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hybrid_sbir.results.definition import Definition, read_definition

Preset = Literal["quick", "thesis"]
_EXPERIMENTS = Path("experiments")


@dataclass(frozen=True)
class Table:
    """A table's rows and where its runs go.

    Attributes:
        target: of make, ``table-4.1``.
        definition: of the table.
        folder: of its files.
    """

    target: str
    definition: Definition
    folder: Path

    def rows(self, preset: str) -> list[str]:
        """Return the rows of a preset: those in ``PRESET_rows.txt`` beside the definition, else all."""
        own = self.folder / f"{preset}_rows.txt"
        return own.read_text().split() if own.exists() else self.definition.rows

    def done(self, preset: str, row: str, seed: int) -> str:
        """Return the file that says that a row is finished."""
        run = self.definition.run.format(row=row, seed=seed, part=self.definition.parts[-1])
        return f"runs/{self.target.removesuffix('-ablation')}/{preset}/{run}/.done"


def find_table(table: str) -> Table:
    """Find a table by its target, ``table-4.1``, or by its definition's file.

    Raises:
        ValueError: if there is none; names those there are.
    """
    if table.endswith(".yaml"):
        path = Path(table)
        target = path.parent.name.replace("table_", "table-").replace("_", ".")
    else:
        number, _, kind = table.removeprefix("table-").partition("-")
        path = _EXPERIMENTS / f"table_{number.replace('.', '_')}" / f"{kind or 'table'}.yaml"
        target = f"table-{number}{'-' + kind if kind else ''}"
    if not path.is_file():
        known = sorted(_EXPERIMENTS.glob("table_*/table.yaml"))
        names = ", ".join(file.parent.name.replace("table_", "table-").replace("_", ".") for file in known)
        raise ValueError(
            f"no rows of '{table}': {path} is not there; there are: "
            f"{names or 'none below experiments/ (start in the folder of the Makefile)'}"
        )
    return Table(target, read_definition(path), path.parent)


def choose_rows(table: Table, preset: str, variants: list[str] | None, seeds: list[int]) -> list[tuple[str, int]]:
    """Return the rows and seeds that are asked for, in order; by default the preset's.

    Raises:
        ValueError: if a row is unknown, one or a seed is asked for twice, or there is none.
    """
    chosen = table.rows(preset) if variants is None else [name.replace(":", "-") for name in variants]
    if unknown := [name for name in chosen if name not in table.definition.rows]:
        raise ValueError(f"no variant '{unknown[0]}' in {table.target}; there are: {', '.join(table.definition.rows)}")
    for noun, asked in (("variants", chosen), ("seeds", seeds)):
        if not asked:
            raise ValueError(f"{noun} is empty; leave it out, or give one or more")
        if twice := [each for place, each in enumerate(asked) if each in asked[:place]]:
            raise ValueError(f"{noun} has {twice[0]} twice; give each once")
    if min(seeds) < 0:
        raise ValueError(f"seeds are whole numbers from 0 on, got {min(seeds)}")
    return [(row, seed) for row in chosen for seed in seeds]


def rows(
    table: str,
    preset: Preset = "quick",
    seeds: list[int] | None = None,
    variants: list[str] | None = None,
    make: str = "make",
) -> list[str]:
    """Print a shell command for each row and seed of a table; they may run in any order, at once, on several machines.

    In a SLURM array of as many tasks as lines, after `hybrid-sbir rows table-4.1 > rows.sh`:
    `eval "$(sed -n "${SLURM_ARRAY_TASK_ID}p" rows.sh)"`. Run `make setup` once before. What several rows of table-4.4
    stand on (pre-training, the classifiers of stage 1), prepared data, and Table 4.2's classifiers under table-4.3 are
    made by whichever row comes first; the others wait for it at a lock beside the folder (flock, which network file
    systems have to support; `runs/` must be on a disk that all share).

    Args:
        table: table-4.1, table-4.2, table-4.3, table-4.4, table-4.4-ablation, or the file of a table's definition.
        preset: quick (two cores) or thesis (its regime).
        seeds: one run each; 0 if not given.
        variants: names of rows; by default those of the preset.
        make: how to call make, with further settings: "make DATA=/data DEVICES=4".

    Returns:
        The commands.

    Raises:
        ValueError: if the table or a variant is unknown, or something is asked for twice.
    """
    found = find_table(table)
    return [command(found, preset, row, seed, make) for row, seed in choose_rows(found, preset, variants, seeds or [0])]


def command(table: Table, preset: str, row: str, seed: int, make: str = "make") -> str:
    """Return the command that makes one row with one seed."""
    settings = [f"PRESET={preset}", f"VARIANTS={row}", f"SEEDS={seed}"]
    return f"{make} {shlex.join([table.done(preset, row, seed), *settings])}"
