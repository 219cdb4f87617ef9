"""What a process notes of a training: when each step ended, and the CPU time it had used."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from parties.events import Progress, Stage

EVERY_S: Final = 0.05  # between two looks at the CPU clock


@dataclass(slots=True)
class Account:
    """What one process noted of one run; times are of `time.monotonic`, which all share.

    Args:
        steps: number of training steps done → when, at the party that hears of them.
        cpu: when the CPU clock of the process was read, and what it said.
    """

    steps: dict[int, float] = field(default_factory=dict)
    cpu: list[tuple[float, float]] = field(default_factory=list)

    def cpu_between(self, began: float, ended: float) -> float:
        """CPU seconds of the process between two moments."""
        when, used = zip(*self.cpu, strict=True)
        return float(np.diff(np.interp([began, ended], when, used))[0])


class Meter:
    """Fills an account while its context lasts."""

    def __init__(self) -> None:
        self.account = Account()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Meter":
        self._note()
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()
        self._note()

    def watch(self, progress: Progress) -> None:
        """Note when a training step was done; the first note of a step counts."""
        if progress.stage is Stage.TRAINING:
            self.account.steps.setdefault(progress.done, time.monotonic())

    def _look(self) -> None:
        while not self._over.wait(EVERY_S):
            self._note()

    def _note(self) -> None:
        self.account.cpu.append((time.monotonic(), time.process_time()))


@dataclass(frozen=True, slots=True)
class Window:
    """The steady part of a training: from the end of the first epoch to the last step.

    In its first epoch a partner also encodes its features, which later ones reuse.
    """

    first: int  # step after which it begins
    last: int
    began: float
    ended: float

    @classmethod
    def of(cls, steps: dict[int, float], epochs: int) -> "Window":
        """The steady part of `epochs` epochs that were all gone through."""
        last = max(steps)
        first = last // epochs
        return cls(first, last, steps[first], steps[last])

    @property
    def steps(self) -> int:
        """How many steps are in it."""
        return self.last - self.first

    def steps_per_second(self) -> float:
        """Speed."""
        return self.steps / (self.ended - self.began)

    def cpu_per_step(self, accounts: Sequence[Account]) -> float:
        """CPU seconds of all processes a step."""
        spent = sum(each.cpu_between(self.began, self.ended) for each in accounts)
        return spent / self.steps
