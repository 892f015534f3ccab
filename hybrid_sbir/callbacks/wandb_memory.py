"""What of a run has reached W&B: ``wandb_run.json`` in the run's folder."""

import json
import secrets
import string
from dataclasses import asdict, dataclass
from pathlib import Path

from hybrid_sbir.durable import write_durably

_LETTERS = string.ascii_lowercase + string.digits
_MEMORY = "wandb_run.json"


@dataclass
class Memory:
    """What of a run has reached W&B, kept in the run's folder so that a later start goes on there.

    Attributes:
        id: of the W&B run.
        epochs: how many epochs' rows have been logged.
        step: the last step that something was logged at.
    """

    id: str
    epochs: int = 0
    step: int = -1

    @classmethod
    def read(cls, folder: Path) -> "Memory | None":
        """Read it from a run's folder; None if there is none that can be read."""
        try:
            return cls(**json.loads((folder / _MEMORY).read_text()))
        except (OSError, ValueError, TypeError):
            return None

    @classmethod
    def new(cls) -> "Memory":
        """Return that of a run of which W&B knows nothing; the id is random, whatever the run's seed."""
        return cls("".join(secrets.choice(_LETTERS) for _ in range(8)))

    def write(self, folder: Path) -> None:
        """Write it into a run's folder."""
        write_durably(folder / _MEMORY, (json.dumps(asdict(self)) + "\n").encode())
