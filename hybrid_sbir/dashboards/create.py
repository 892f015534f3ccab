"""The verb ``dashboards``: make the tables' dashboards in a W&B project, or write down what would be made."""

import json
from pathlib import Path
from typing import Any

from hybrid_sbir.dashboards.boards import BOARDS
from hybrid_sbir.dashboards.workspace import specification, workspace
from hybrid_sbir.durable import write_durably


def dashboards(
    entity: str = "", project: str = "hybrid-sbir", tables: list[str] | None = None, dry_run: Path | None = None
) -> list[str]:
    """Create a dashboard for each table in a project of Weights & Biases.

    Args:
        entity: user or team that the project belongs to; it must be named.
        project: the runs' project.
        tables: which ones ("table-4.1"); all of them by default.
        dry_run: write what would be sent into this JSON file instead; needs neither a network nor a key.

    Returns:
        A line for each dashboard: its title, and its address or the file.

    Raises:
        ValueError: if there is no dashboard for a table, or a name is empty.
        ModuleNotFoundError: if wandb-workspaces is not installed.
        OSError: if W&B does not take one; those before it are made.
    """
    for option, value in (("entity", entity), ("project", project)):
        if not value or "/" in value:
            raise ValueError(f"--{option} is '{value}'; give a name as it stands in W&B's addresses: ENTITY/PROJECT")
    known = [board.table for board in BOARDS]
    if unknown := [table for table in tables or [] if table not in known]:
        raise ValueError(f"no dashboard for {', '.join(unknown)}; there are: {', '.join(known)}")
    made = [workspace(board, entity, project) for board in BOARDS if tables is None or board.table in tables]
    if dry_run is not None:
        text = json.dumps([specification(each) for each in made], indent=2, ensure_ascii=False)
        dry_run.parent.mkdir(parents=True, exist_ok=True)
        write_durably(dry_run, (text + "\n").encode())
        return [f"{each.name}: {dry_run}" for each in made]
    return [f"{each.name}: {_save(each)}" for each in made]


def _save(made: Any) -> str:
    """Send a workspace, and return its address."""
    try:
        return made.save().url
    except Exception as error:  # the library's, the network's, the server's
        raise OSError(
            f"W&B did not take '{made.name}' ({error}); log in with `wandb login`, see that "
            f"{made.entity}/{made.project} exists, or write it down with --dry_run FILE"
        ) from error
