"""How many times as fast one index is as another, and how sure that is.

Both are asked for the same users in short blocks: ours, theirs, theirs, ours. What a busy machine
does to one it does to the other, and neither is always the one that finds the caches filled.

Where memory happens to lie makes one opening of a file up to a tenth slower than another opening
of the same file, for as long as it is open. So both are opened anew for every sitting. A sitting's
ratio is the median over its turns; the figure is the median over sittings, and its interval that
of their order statistics, as sittings are independent and the turns of one are not.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from simulations.bench.index_peers import Peer

Report = dict[str, Any]
Vectors = npt.NDArray[np.float32]
Seconds = npt.NDArray[np.float64]
Opening = Callable[[], tuple[Peer, Peer]]

OURS, THEIRS = 0, 1
WALL, CPU = 0, 1
KEPT: Final = 8  # sittings that stay open: memory that is given back would be handed out again


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How often two are asked.

    Args:
        sittings: times that both are opened.
        turns: of four blocks in a sitting, after one that only warms up.
        calls: in a block.
        batch: users a call.
    """

    sittings: int = 41
    turns: int = 6
    calls: int = 10
    batch: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MedianInterval:
    """A median, and where that of endless sittings lies 95 times in 100."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float] | Seconds) -> "MedianInterval":
        """By order statistics: how many lie below the true median is binomial.

        Fewer than six values say less than that, and their whole range is given.
        """
        ordered, count = np.sort(values), len(values)
        rank = max(1, int(binom.ppf(0.025, count, 0.5)))
        return cls(
            median=round(float(np.median(ordered)), 3),
            low=round(float(ordered[rank - 1]), 3),
            high=round(float(ordered[count - rank]), 3),
        )


@dataclass(frozen=True, slots=True)
class Duel:
    """What was measured.

    Args:
        seconds: a user, (sittings, turns, side, clock).
        batch: users a call.
    """

    seconds: Seconds = field(repr=False)
    batch: int

    def ratio(self, clock: int) -> MedianInterval:
        """How many times as fast ours is."""
        each = self.seconds[:, :, THEIRS, clock] / self.seconds[:, :, OURS, clock]
        return MedianInterval.of(np.median(each, axis=1))

    def speeds(self, side: int) -> Report:
        """Users a second that one of the two was asked for."""
        wall, cpu = np.median(self.seconds[:, :, side], axis=(0, 1))
        return {
            "queries_per_second": round(1 / float(wall), 1),
            "queries_per_cpu_second": round(1 / float(cpu), 1),
        }

    def report(self) -> Report:
        """The ratios: CPU time is the figure, as others on the machine distort it least."""
        cpu = self.ratio(CPU)
        return {
            "users_a_call": self.batch,
            "speed": self.ratio(WALL).median,
            "cpu_speed": cpu.median,
            "cpu_speed_interval": [cpu.low, cpu.high],
        }


def duel(opening: Opening, users: Vectors, k: int, plan: Plan) -> Duel:
    """Compare two in sittings.

    Args:
        opening: opens ours and theirs.
        users: (n, dim) that they are asked for, in turns.
        k: songs a user.
        plan: how often.
    """
    kept: deque[tuple[Peer, Peer]] = deque(maxlen=KEPT)
    sittings = []
    for number in range(plan.sittings):
        kept.append(opening())
        sittings.append(_sitting(kept[-1], _Asking(users, k, plan, first=number)))
    return Duel(np.array(sittings), plan.batch)


class _Asking:
    """Hands out blocks of users, over and over.

    Args:
        users: all there are.
        k: songs a user.
        plan: how many.
        first: block to begin with.
    """

    def __init__(self, users: Vectors, k: int, plan: Plan, *, first: int) -> None:
        self._users, self._k, self.plan, self._next = users, k, plan, first

    def block(self) -> list[Vectors]:
        """The queries of the next block, (batch, dim) each."""
        asked = self.plan.calls * self.plan.batch
        places = (self._next * asked + np.arange(asked)) % len(self._users)
        self._next += 1
        return np.split(self._users[places], self.plan.calls)

    def timed(self, peer: Peer, block: list[Vectors]) -> Seconds:
        """Seconds a user by each clock."""
        wall, cpu = time.perf_counter(), time.thread_time()
        for queries in block:
            peer.ask(queries, self._k)
        spent = time.perf_counter() - wall, time.thread_time() - cpu
        return np.array(spent) / (self.plan.calls * self.plan.batch)


def _sitting(pair: tuple[Peer, Peer], asking: _Asking) -> Seconds:
    """Seconds a user, (turns, side, clock)."""
    turns = [_turn(*pair, asking) for _ in range(1 + asking.plan.turns)]
    return np.array(turns[1:])


def _turn(ours: Peer, theirs: Peer, asking: _Asking) -> Seconds:
    """Seconds a user, (side, clock), over two blocks each."""
    one, other = asking.block(), asking.block()
    first = asking.timed(ours, one), asking.timed(theirs, one)
    second = asking.timed(theirs, other), asking.timed(ours, other)
    return np.array([first[0] + second[1], first[1] + second[0]]) / 2
