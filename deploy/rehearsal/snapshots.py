"""Copies of what processes hold in memory, taken while they run."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from deploy.rehearsal.memory import save_memory
from deploy.rehearsal.parties import Party

EVERY_S: Final = 15.0


@dataclass(slots=True)
class Snapshots:
    """Copies of the memory of everything on one host, taken again and again."""

    party: Party
    path: Path
    every_s: float = EVERY_S
    most: int = 2  # before the last one
    taken: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def take(self) -> None:
        """Add one copy."""
        save_memory(self.party.host.pids(), self.path)
        self.taken += 1

    @contextmanager
    def running(self) -> Iterator[None]:
        """Take copies in the background."""
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.over.set()
            thread.join()

    def _run(self) -> None:
        while self.taken < self.most and not self.over.wait(self.every_s):
            self.take()
