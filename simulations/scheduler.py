"""Running tasks in processes of their own, as many at a time as there are cores."""

import multiprocessing
import os
import queue
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from typing import Any, Final

from federation.errors import FederationError
from parties.errors import PartiesError
from parties.events import Progress
from simulations.errors import SimulationError, TaskFailedError
from simulations.tasks import Task
from simulations.work import perform
from towers.errors import TowersError

POLL_S: Final = 0.2
GRACE_S: Final = 5.0  # for a process that was asked to end
EXPECTED: Final = (FederationError, PartiesError, SimulationError, TowersError, OSError)

Listener = Callable[[Task, Progress], None]


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a task ended without a result, in a form that crosses processes."""

    kind: str
    message: str


def usable_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0))


def run_tasks(tasks: Sequence[Task], listen: Listener, *, processes: int | None = None) -> None:
    """Run every task; each leaves its result in its folder.

    Args:
        tasks: what to do, the longest first.
        listen: told of progress, in this process.
        processes: how many at a time; one a usable core unless given.

    Raises:
        TaskFailedError: a task failed; the others were ended and can be resumed.
        KeyboardInterrupt: the user interrupted; likewise.
    """
    crew = _Crew(listen)
    try:
        waiting = list(tasks)
        while waiting or crew.busy:
            while waiting and crew.size < (processes or usable_cores()):
                crew.start(waiting.pop(0))
            crew.listen()
    finally:
        crew.end()


class _Crew:
    """The processes that are at work."""

    def __init__(self, listen: Listener) -> None:
        # Spawned, never forked: TenSEAL hangs in a forked child.
        self._context = multiprocessing.get_context("spawn")
        self._messages: Any = self._context.Queue()
        self._listen = listen
        self._working: dict[str, tuple[Task, BaseProcess]] = {}

    @property
    def busy(self) -> bool:
        return bool(self._working)

    @property
    def size(self) -> int:
        return len(self._working)

    def start(self, task: Task) -> None:
        process = self._context.Process(
            target=_work, args=(task, self._messages), name=task.name, daemon=False
        )
        process.start()
        self._working[task.name] = (task, process)

    def listen(self) -> None:
        """Take one message, or notice a process that ended without one."""
        try:
            name, message = self._messages.get(timeout=POLL_S)
        except queue.Empty:
            self._check_alive()
            return
        task, process = self._working[name]
        match message:
            case Progress():
                self._listen(task, message)
            case _Failure(kind=kind, message=text):
                raise TaskFailedError(text, kind=kind, task=name)
            case None:
                process.join()
                del self._working[name]

    def _check_alive(self) -> None:
        for task, process in self._working.values():
            if process.exitcode not in (None, 0) and self._messages.empty():
                raise TaskFailedError(
                    f"{task.name} was ended from outside (exit code {process.exitcode}); if "
                    "memory ran out, run fewer splits at a time with --processes 1",
                    kind="killed",
                    task=task.name,
                )

    def end(self) -> None:
        """End whatever still runs; checkpoints are whole at any moment."""
        for _, process in self._working.values():
            process.terminate()
        deadline = time.monotonic() + GRACE_S
        for _, process in self._working.values():
            process.join(max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()
        self._messages.close()
        self._messages.cancel_join_thread()


def _work(task: Task, messages: Any) -> None:  # noqa: ANN401 - a multiprocessing queue
    """The whole life of a worker process."""
    # An interrupt goes to the parent, which ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        perform(task, lambda progress: messages.put((task.name, progress)))
    except EXPECTED as error:
        messages.put((task.name, _Failure(type(error).__name__, str(error))))
    else:
        messages.put((task.name, None))
