"""Running a measurement in a process of its own, so that nothing that ran before it shows in its memory or caches."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any


class ChildKilledError(RuntimeError):
    """The process that measured was killed, mostly for want of memory."""


def in_a_child(function: Callable[..., Any], subject: Any, *arguments: Any) -> Any:
    """Call a module's ``function`` of ``subject`` and ``arguments`` in a fresh process and return its result.

    The process is forked from a server that has imported everything and computed nothing: it starts at once, and no
    thread, no cache and no memory of an earlier measurement is in it.

    Raises:
        ChildKilledError: if the process was killed. What the function raises is raised here too.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hybrid_sbir.bench.operators", "hybrid_sbir.bench.backbones"])
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            return pool.submit(function, subject, *arguments).result()
        except BrokenProcessPool as error:
            raise ChildKilledError(
                f"the process that measured {subject} was killed; there may be too little memory: "
                "try a smaller batch or size"
            ) from error
