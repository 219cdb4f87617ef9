"""Indexes that are asked the same users in turns, at known recall."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from simulations.bench.index_peers import Peer

Report = dict[str, Any]
Vectors = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

ROUNDS: Final = 15
ASKED: Final = 100  # users a round
ASKED_SLOWLY: Final = 1
MAX_FACTOR: Final = 8  # times k: the most that HNSW keeps


@dataclass(slots=True)
class Contestant:
    """An index and what was measured of it.

    Args:
        peer: to ask.
        recall: on the users that judge.
        seconds: a query, wall time, one entry a round.
        cpu_seconds: the same by CPU time of the asking thread; a busy machine distorts it least.
    """

    peer: Peer
    recall: float
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)

    def report(self) -> Report:
        """What was measured, on its own."""
        return {
            "recall": self.recall,
            "effort": self.peer.effort,
            "queries_per_second": round(1 / median(self.seconds), 1),
            "queries_per_cpu_second": round(1 / median(self.cpu_seconds), 1),
            "cpu_seconds_to_build": round(self.peer.build_cpu_s, 2),
        }


class Race:
    """Asks contestants for the best songs of single users, round after round.

    Args:
        judging: (n, dim) users to measure recall with.
        best: (n, k) places of their exact best songs.
        timing: (m, dim) users to measure time with.
    """

    def __init__(self, judging: Vectors, best: Ids, timing: Vectors) -> None:
        self._judging, self._best, self._timing = judging, best, timing
        self._k = best.shape[1]
        self._all: dict[str, Contestant] = {}

    def enter(self, name: str, peer: Peer, *, wanted: float = 0.0) -> Contestant:
        """Take part as it is set; or, if it is tunable, set to the recall that is wanted."""
        recall = self._tuned(peer, wanted) if peer.tunable else self._recall(peer)
        self._all[name] = Contestant(peer, recall)
        return self._all[name]

    def run(self) -> None:
        """Ask everybody in turns."""
        for number in range(ROUNDS):
            first = number * ASKED % len(self._timing)
            for contestant in self._all.values():
                asked = ASKED_SLOWLY if contestant.peer.slow else ASKED
                self._ask(contestant, self._timing[first : first + asked])

    def report(self, name: str) -> Report:
        """What was measured of one."""
        return self._all[name].report()

    def speed_over(self, one: str, other: str) -> dict[str, float]:
        """How many times as fast one is as another: medians over the rounds."""
        ours, theirs = self._all[one], self._all[other]
        return {
            "speed": _ratio(theirs.seconds, ours.seconds),
            "cpu_speed": _ratio(theirs.cpu_seconds, ours.cpu_seconds),
        }

    def _ask(self, contestant: Contestant, users: Vectors) -> None:
        wall, cpu = time.perf_counter(), time.thread_time()
        for row in range(len(users)):
            contestant.peer.ask(users[row : row + 1], self._k)
        contestant.seconds.append((time.perf_counter() - wall) / len(users))
        contestant.cpu_seconds.append((time.thread_time() - cpu) / len(users))

    def _tuned(self, peer: Peer, wanted: float) -> float:
        """Set the least effort that finds as much as is wanted, or the most there is."""
        low, high = self._k, MAX_FACTOR * self._k
        best, recall = high, self._recall_at(peer, high)
        while recall >= wanted and low < high:
            middle = (low + high) // 2
            found = self._recall_at(peer, middle)
            if found >= wanted:
                best, recall, high = middle, found, middle
            else:
                low = middle + 1
        peer.set_effort(best)
        return recall

    def _recall_at(self, peer: Peer, effort: int) -> float:
        peer.set_effort(effort)
        return self._recall(peer)

    def _recall(self, peer: Peer) -> float:
        """Share of the exact best that is found."""
        rows = range(len(self._judging) // (50 if peer.slow else 1))
        found = [peer.ask(self._judging[row : row + 1], self._k)[0] for row in rows]
        pairs = zip(found, self._best[: len(found)], strict=True)
        shares = [np.isin(row, true).mean() for row, true in pairs]
        return round(float(np.mean(shares)), 4)


def _ratio(over: Sequence[float], under: Sequence[float]) -> float:
    return round(median(a / b for a, b in zip(over, under, strict=True)), 3)
