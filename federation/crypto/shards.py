"""Curve work cut into chunks and spread over spawned worker processes.

Rules:
1. Workers are started afresh, never forked, and import only what `curve` needs: a
   `multiprocessing` pool would load the caller's main module, torch and all, again.
2. The secret scalar reaches a worker through its standard input, never through its
   arguments or environment, which other processes can read.
3. A worker lives until its pipe closes, so it cannot outlive the party that started it.
4. A worker sees points a peer sent only after the party checked the set as a whole,
   and checks each one itself before multiplying it.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate, pairwise
from queue import SimpleQueue
from struct import Struct, pack, unpack_from
from subprocess import PIPE, Popen
from typing import IO, NoReturn, cast
from weakref import finalize

from federation.crypto.curve import (
    POINT_BYTES,
    check_on_curve,
    hash_to_curve,
    multiply,
    split_points,
)
from federation.errors import InvalidPointError

CHUNK_ITEMS = 1024  # at most, so about 40 ms of work and a few hundred KiB on a pipe
IN_PROCESS_BELOW = 20_000  # items; under this, starting workers costs more than it saves

_HEADER = Struct("<BI")  # task or verdict, then the length of what follows in bytes
_DONE, _REFUSED = 0, 1
_BOOT = "import sys; from federation.crypto.shards import serve; " + (
    "serve(sys.stdin.buffer, sys.stdout.buffer)"
)


class Task(Enum):
    """What is done to every item of a chunk."""

    BLIND = 0  # message → secret · H(message)
    REBLIND = 1  # the peer's point → secret · point, once checked


def usable_cores() -> int:
    """How many cores this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not every system can tell
        return os.cpu_count() or 1


def blind(messages: Sequence[bytes], secret: bytes) -> list[bytes]:
    """Hash messages to the curve and multiply them by the secret."""
    return multiply(map(hash_to_curve, messages), secret)


def reblind(points: Sequence[bytes], secret: bytes) -> list[bytes]:
    """Check that points are on the curve and multiply them by the secret.

    Raises:
        InvalidPointError: a point is not canonical, on the twist or of small order.
    """
    check_on_curve(points)
    return multiply(points, secret)


_WORK: Mapping[Task, Callable[[Sequence[bytes], bytes], list[bytes]]] = {
    Task.BLIND: blind,
    Task.REBLIND: reblind,
}


class Shards:
    """One secret scalar and the processes that multiply by it.

    Workers start with the first task that is worth them and serve until `close`, or
    until the object is collected.
    """

    def __init__(self, secret: bytes, *, workers: int, in_process_below: int) -> None:
        self._secret = secret
        self._workers = workers
        self._in_process_below = in_process_below
        self._started: list[_Worker] = []
        self._stop = finalize(self, _stop, self._started)

    def __repr__(self) -> str:
        return f"Shards(workers={self._workers}, started={len(self._started)})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("it holds a secret scalar, which must not be written anywhere")

    def start(self, count: int) -> None:
        """Start the workers if `count` items are worth it and they do not run yet.

        `map` does this too; earlier, they load while their party prepares the items.
        """
        if self._is_worth_workers(count):
            while len(self._started) < self._workers:
                self._started.append(_spawn(self._secret))

    def map(self, task: Task, items: Sequence[bytes]) -> list[bytes]:
        """Do `task` to every item, in order.

        Returns:
            One 32-byte point per item.

        Raises:
            InvalidPointError: an item to re-blind is not a usable point.
            ChildProcessError: a worker died.
        """
        if not self._is_worth_workers(len(items)):
            return _WORK[task](items, self._secret)
        self.start(len(items))
        chunks = _even_chunks(items, self._workers)
        idle: SimpleQueue[_Worker] = SimpleQueue()
        for worker in self._started:
            idle.put(worker)

        def run(chunk: Sequence[bytes]) -> list[bytes]:
            worker = idle.get()
            try:
                return _ask(worker, task, chunk)
            finally:
                idle.put(worker)

        with ThreadPoolExecutor(self._workers) as threads:
            return [point for done in threads.map(run, chunks) for point in done]

    def close(self) -> None:
        """End the workers and wait for them; harmless if there are none."""
        self._stop()

    def _is_worth_workers(self, count: int) -> bool:
        return self._workers > 1 and count >= max(self._in_process_below, 1)


def serve(requests: IO[bytes], replies: IO[bytes]) -> None:
    """Answer requests until their pipe closes; the main loop of a worker.

    Args:
        requests: the secret, then one framed chunk after another.
        replies: where the answers go, in the same order.
    """
    secret = requests.read(POINT_BYTES)
    while header := requests.read(_HEADER.size):
        code, length = _HEADER.unpack(header)
        items = _unframe(requests.read(length))
        try:
            verdict, reply = _DONE, b"".join(_WORK[Task(code)](items, secret))
        except InvalidPointError as refusal:
            verdict, reply = _REFUSED, str(refusal).encode()
        replies.write(_HEADER.pack(verdict, len(reply)) + reply)
        replies.flush()


@dataclass(frozen=True, slots=True)
class _Worker:
    process: Popen[bytes]
    requests: IO[bytes]
    replies: IO[bytes]


def _spawn(secret: bytes) -> _Worker:
    process = Popen(  # noqa: S603 - a fixed program text, run by this very interpreter
        [sys.executable, "-P", "-c", _BOOT],
        stdin=PIPE,
        stdout=PIPE,
        # The worker must find the same packages as the party that started it.
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        # Ctrl-C in a terminal is the party's to handle, not the worker's.
        process_group=0,
    )
    worker = _Worker(process, cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout))
    worker.requests.write(secret)  # stays in the buffer until the first chunk follows
    return worker


def _stop(workers: Sequence[_Worker]) -> None:
    for worker in workers:
        with suppress(BrokenPipeError):  # it died with something still in the buffer
            worker.requests.close()
    for worker in workers:
        worker.replies.close()
        worker.process.wait()


def _ask(worker: _Worker, task: Task, items: Sequence[bytes]) -> list[bytes]:
    payload = _frame(items)
    try:
        worker.requests.write(_HEADER.pack(task.value, len(payload)) + payload)
        worker.requests.flush()
    except BrokenPipeError as error:
        raise ChildProcessError("a set intersection worker died") from error
    header = worker.replies.read(_HEADER.size)
    if len(header) < _HEADER.size:
        raise ChildProcessError("a set intersection worker died")
    verdict, length = _HEADER.unpack(header)
    reply = worker.replies.read(length)
    if verdict == _REFUSED:
        raise InvalidPointError(reply.decode())
    return split_points(reply)


def _even_chunks(items: Sequence[bytes], workers: int) -> list[Sequence[bytes]]:
    """Cut items so that every worker gets as many chunks, and none waits long for the last."""
    rounds = -(-len(items) // (workers * CHUNK_ITEMS))
    size = -(-len(items) // (workers * rounds))
    return [items[start : start + size] for start in range(0, len(items), size)]


def _frame(items: Sequence[bytes]) -> bytes:
    count = len(items)
    return pack(f"<I{count}I", count, *map(len, items)) + b"".join(items)


def _unframe(payload: bytes) -> list[bytes]:
    (count,) = unpack_from("<I", payload)
    ends = list(accumulate(unpack_from(f"<{count}I", payload, 4), initial=4 + 4 * count))
    return [payload[start:end] for start, end in pairwise(ends)]
