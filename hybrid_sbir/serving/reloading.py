"""The index is looked at again and again: what ``hybrid-sbir index`` switches on the disk is switched in the server."""

import asyncio
import logging
from pathlib import Path

from hybrid_sbir.search.manifest import MANIFEST
from hybrid_sbir.serving.engine import Engine
from hybrid_sbir.serving.meters import Meters

LOG = logging.getLogger("hybrid_sbir.serving")


class IndexWatch:
    """Opens an index again when its manifest changes; the old one answers until the new one is there.

    Args:
        folder: the index's.
        engine: that is given the new one.
        meters: what is counted.
        seconds: between two looks.

    Attributes:
        problem: why the newest state could not be opened; empty if it was.
    """

    def __init__(self, folder: Path, engine: Engine, meters: Meters, seconds: float = 2.0) -> None:
        self._manifest, self._engine, self._meters, self._seconds = folder / MANIFEST, engine, meters, seconds
        self._seen, self.problem = _state(folder / MANIFEST), ""
        meters.photos.set(len(engine.search.photos))

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(self._seconds)
            if (state := _state(self._manifest)) not in (None, self._seen):
                self._seen = state
                await self._reload()

    async def _reload(self) -> None:
        try:
            search = await asyncio.to_thread(self._engine.search.reopened)
        except (ValueError, OSError) as problem:
            self.problem = str(problem)
            self._meters.reloads.labels("failed").inc()
            LOG.error("the index changed and cannot be opened; the old one goes on answering: %s", problem)
            return
        self.problem, self._engine.search = "", search
        self._meters.reloads.labels("done").inc()
        self._meters.photos.set(len(search.photos))
        LOG.info("the index changed: %d photos", len(search.photos))


def _state(manifest: Path) -> tuple[int, int, int] | None:
    try:
        about = manifest.stat()
    except OSError:
        return None
    return about.st_mtime_ns, about.st_size, about.st_ino
