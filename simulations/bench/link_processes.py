"""A process for each party of a bench, which does one thing after another."""

import os
import signal
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing import active_children, get_context, parent_process
from threading import Thread
from types import TracebackType
from typing import Final, ParamSpec, TypeVar

from federation.errors import PeerLostError
from simulations.scheduler import WORKER_ENVIRONMENT

Given = ParamSpec("Given")
Made = TypeVar("Made")

ENDS_WITHIN_S: Final = 90.0  # a party, once another one has ended


def one_process() -> Executor:
    """A process that starts when it is first needed."""
    for name, value in WORKER_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # Spawned, never forked: TenSEAL and gRPC hang in a forked child.
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_live_with_parent)


def _live_with_parent() -> None:
    """Leave it to the parent to hear of interrupts, and end when it does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class Processes:
    """Processes by the name of the party that lives in each.

    Args:
        names: of the parties.
        start: makes the process of one; threads do where nothing is measured.
    """

    def __init__(self, names: Iterable[str], start: Callable[[], Executor] = one_process) -> None:
        self._before = set(active_children())
        self._pools = {name: start() for name in names}

    def __enter__(self) -> "Processes":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:  # what they do would be for nothing
            for child in set(active_children()) - self._before:
                child.terminate()
        for pool in self._pools.values():
            pool.shutdown(cancel_futures=True)

    def begin(
        self, name: str, work: Callable[Given, Made], *args: Given.args, **kwargs: Given.kwargs
    ) -> Future[Made]:
        """Have a party do something when it has done what came before."""
        return self._pools[name].submit(work, *args, **kwargs)


def done_beside(own: Callable[[], None], others: Sequence[Future[Made]]) -> list[Made]:
    """Do something here that others take part in; returns what they made.

    Raises:
        Exception: what the first of the others to fail raised, if any did; then whatever `own`
            raised is a consequence.
    """
    try:
        own()
    except (PeerLostError, OSError):
        for other in others:
            other.result(ENDS_WITHIN_S)
        raise
    return [other.result(ENDS_WITHIN_S) for other in others]
