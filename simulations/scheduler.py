"""Running tasks in processes of their own, as many at a time as there are cores."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from threading import Thread
from typing import Final, cast

from parties.events import Progress
from parties.one_thread import ONE_THREAD
from simulations.errors import TaskFailedError, expected
from simulations.tasks import Task
from simulations.work import perform

WORKER_ENVIRONMENT: Final = {
    **ONE_THREAD,
    # glibc gives every thread a heap of its own, which keeps what the thread has freed.
    "MALLOC_ARENA_MAX": "2",
}
GRACE_S: Final = 20.0  # for a process that was asked to end; under Flower it ends others first

Listener = Callable[[Task, Progress], None]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a task ended without a result, in a form that crosses processes."""

    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Done:
    """The result lies in its folder."""


@dataclass(frozen=True, slots=True)
class _Worker:
    task: Task
    process: SpawnProcess


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
        while waiting or crew.size:
            while waiting and crew.size < (processes or usable_cores()):
                crew.start(waiting.pop(0))
            crew.listen()
    finally:
        crew.end()


class _Crew:
    """The processes that are at work, each with a pipe of its own.

    One queue for all would be simpler, but a process that is killed while it writes to a shared
    queue leaves it locked for the others.
    """

    def __init__(self, listen: Listener) -> None:
        # Spawned, never forked: TenSEAL hangs in a forked child.
        self._context = multiprocessing.get_context("spawn")
        self._listen = listen
        self._working: dict[Connection, _Worker] = {}
        # It is started with the first process otherwise, and lifts the block on signals then.
        resource_tracker.ensure_running()

    @property
    def size(self) -> int:
        return len(self._working)

    def start(self, task: Task) -> None:
        for name, value in WORKER_ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        receiver, sender = self._context.Pipe(duplex=False)
        process = self._context.Process(target=serve_task, args=(task, sender), name=task.name)
        with _interrupts_held_back():
            process.start()
        sender.close()  # so that the pipe ends when the process does
        self._working[receiver] = _Worker(task, process)

    def listen(self) -> None:
        """Wait for messages, or for the end of a process."""
        for ready in wait(list(self._working)):
            self._hear(cast(Connection, ready))

    def _hear(self, pipe: Connection) -> None:
        worker = self._working[pipe]
        try:
            message = pipe.recv()
        except (EOFError, OSError):
            worker.process.join()
            raise _lost(worker) from None
        match message:
            case Progress():
                self._listen(worker.task, message)
            case Failure(kind=kind, message=text):
                raise TaskFailedError(
                    f"{worker.task.name}: {text}", kind=kind, task=worker.task.name
                )
            case Done():
                worker.process.join()
                pipe.close()
                del self._working[pipe]

    def end(self) -> None:
        """End whatever still runs; checkpoints are whole at any moment."""
        for worker in self._working.values():
            worker.process.terminate()
        deadline = time.monotonic() + GRACE_S
        for pipe, worker in self._working.items():
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            pipe.close()
        self._working.clear()


def _lost(worker: _Worker) -> TaskFailedError:
    """Why a process ended without a word."""
    code = worker.process.exitcode or 0
    name = worker.task.name
    if code < 0:
        text = (
            f"{name}: its process was ended from outside by {signal.Signals(-code).name}; if "
            "memory ran out, run fewer tasks at a time with --processes 1"
        )
        return TaskFailedError(text, kind="killed", task=name)
    text = f"{name}: its process ended with an error of this program (exit code {code})"
    return TaskFailedError(text, kind="crashed", task=name)


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Block Ctrl-C: a process started meanwhile never sees one, and this one sees it after."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def serve_task(task: Task, messages: Connection) -> None:
    """The whole life of a worker process; an interrupt goes to the parent, which ends it."""
    Thread(target=_end_with_parent, daemon=True).start()
    try:
        perform(task, lambda progress: messages.send(progress))
    except expected() as error:
        failure = Failure(type(error).__name__, str(error) or type(error).__name__)
        with suppress(BrokenPipeError):  # the parent is gone, and nobody is left to tell
            messages.send(failure)
    else:
        messages.send(Done())


def _end_with_parent() -> None:
    """Leave at once when the parent is gone, even if it was killed and could say nothing."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
