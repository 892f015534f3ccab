"""W&B's service, a process of its own: what it is told to do, how long it is waited for, and how it is let go.

A service that hangs never answers, and W&B itself waits for ever, at the end of the process too.
"""

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

SECONDS = 30.0
"""For W&B's service, or its server, to answer."""

PATIENCE = 2 * SECONDS
"""For any one call of W&B: it writes to files, so that longer means that its service hangs."""

UPLOAD = 20 * SECONDS
"""For an online run's last files."""

_FAREWELL = 5.0  # s, for a service that is let go
_FLUSH = 0.1  # s between two writes to the disk

_T = TypeVar("_T")


def within(seconds: float, action: Callable[[], _T]) -> _T:
    """Do something in a thread of its own, and wait for it no longer than this.

    A thread cannot be ended: one that is late is left behind, and does not keep the process from ending.

    Args:
        seconds: to wait.
        action: what is to be done.

    Returns:
        What ``action`` returns.

    Raises:
        TimeoutError: if it takes longer.
        Exception: what ``action`` raises.
    """
    answers: SimpleQueue[tuple[_T | None, BaseException | None]] = SimpleQueue()

    def act() -> None:
        try:
            answers.put((action(), None))
        except BaseException as error:  # also SystemExit, which would end the thread without a word
            answers.put((None, error))

    Thread(target=act, name="wandb-deadline", daemon=True).start()
    try:
        value, error = answers.get(timeout=seconds)
    except Empty:
        raise TimeoutError(f"no answer from W&B's service within {seconds:g} s") from None
    if error is not None:
        raise error
    return value  # type: ignore[return-value]  # of an action without an error


def end_service() -> None:
    """End W&B's service; one that hangs is killed: it holds the run's output open, and a pipe would wait for it."""
    import wandb

    process = _process()
    try:
        within(_FAREWELL, wandb.teardown)
    except TimeoutError:
        if process is not None:
            process.kill()
    except (Exception, SystemExit):  # the exit code of a service that was killed would become ours
        pass


def _process() -> Any:
    """The service's process, None if there is none; the library has no public way to it."""
    from wandb.sdk import wandb_setup

    found: Any = wandb_setup
    for name in ("_singleton", "_connection", "_proc", "_process"):
        found = getattr(found, name, None)
    return found


def settings(offline: bool, machine: bool) -> Any:
    """W&B's settings: nothing is recorded that was not asked for, and nothing waits for long."""
    import wandb

    return wandb.Settings(
        mode="offline" if offline else "online",
        console="off",  # what is printed stays here
        disable_code=True,
        disable_git=True,  # a remote's address may hold a password; metrics.json has the revision
        disable_job_creation=True,
        save_code=False,
        x_save_requirements=False,
        x_disable_meta=not machine,
        x_disable_stats=not machine,
        x_disable_machine_info=not machine,
        host=None if machine else "not-recorded",
        silent=True,
        init_timeout=SECONDS,
        x_service_wait=SECONDS,
        finish_timeout=UPLOAD,
        x_transaction_log_flush_interval=_FLUSH,  # what a killed run has told is on the disk
    )
