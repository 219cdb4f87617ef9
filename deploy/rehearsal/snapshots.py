"""Copies of what processes hold in memory, taken while they are at work."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from deploy.rehearsal.hosts import Host
from deploy.rehearsal.memory import save_memory

EVERY_S: Final = 5.0
POLL_S: Final = 0.2
MOST: Final = 3  # a gigabyte each


@dataclass(slots=True)
class Snapshots:
    """Copies of the memory of everything on one host, one behind the other in a file.

    Args:
        host: whose.
        path: the file.
        at_work: whether a copy is worth its time now.
    """

    host: Host
    path: Path
    at_work: Callable[[], bool]
    taken: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    def take(self) -> None:
        """Add one copy."""
        save_memory(self.host.pids(), self.path)
        self.taken += 1

    @contextmanager
    def running(self) -> Iterator[None]:
        """Take copies in the background while there is work."""
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _run(self) -> None:
        while self.taken < MOST and not self._over.wait(POLL_S):
            if self.at_work():
                self.take()
                self._over.wait(EVERY_S)
