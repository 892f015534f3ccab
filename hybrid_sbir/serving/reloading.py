"""The index is looked at again and again: what ``hybrid-sbir index`` switches on the disk is switched in the server."""

import asyncio
import logging
import math
import time
from pathlib import Path

from hybrid_sbir.search import SketchSearch
from hybrid_sbir.search.manifest import MANIFEST, read_manifest
from hybrid_sbir.serving.engine import Engine
from hybrid_sbir.serving.meters import Meters

_LONGEST = 60.0  # seconds before what failed is tried once more
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
        self._seen: tuple[int, int, int] | None = None  # so that a change while it was opened is not missed
        self.problem = ""
        self._pause, self._again = seconds, math.inf  # before what failed is tried once more, and when that is
        meters.photos.set(len(engine.search.photos))

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(self._seconds)
            state = _state(self._manifest)
            if state is None:
                self._seen, self.problem = None, "the index's manifest is gone"
            elif state != self._seen:
                self._seen, self._pause = state, self._seconds
                await self._reload()
            elif self.problem and time.monotonic() >= self._again:
                await self._reload()

    async def _reload(self) -> None:
        try:
            search = await asyncio.to_thread(self._newest)
        except Exception as problem:  # whatever it is: the next state may be sound, and must not be missed
            self.problem = str(problem) or type(problem).__name__
            self._again, self._pause = time.monotonic() + self._pause, min(2 * self._pause, _LONGEST)
            self._meters.reloads.labels("failed").inc()
            LOG.error("the index changed and cannot be opened; the old one goes on answering: %s", problem)
            return
        self.problem = ""
        if search is self._engine.search:
            return
        self._engine.search = search
        self._meters.reloads.labels("done").inc()
        self._meters.photos.set(len(search.photos))
        LOG.info("the index changed: %d photos", len(search.photos))

    def _newest(self) -> SketchSearch:
        search = self._engine.search
        return search if read_manifest(self._manifest.parent) == search.manifest else search.reopened()


def _state(manifest: Path) -> tuple[int, int, int] | None:
    try:
        about = manifest.stat()
    except OSError:
        return None
    return about.st_mtime_ns, about.st_size, about.st_ino
