"""What fusion answers: items with every source that recalled them."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from recall.candidates import Candidates
from recall.pool import Pool

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Source:
    """A channel that recalled an item.

    Args:
        channel: its name.
        rank: place in its list, from 1, once excluded items are left out.
        score: in the channel's own unit.
        reason: why, for people; empty if the channel gives none.
    """

    channel: str
    rank: int
    score: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One item of a fused list.

    Args:
        item: its number.
        score: fused; comparable inside one list only.
        sources: every channel that recalled it, the one that ranked it best first.
    """

    item: int
    score: float
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Fused:
    """A fused list, best first; its recommendations are made when they are looked at.

    Args:
        pool: all candidates there were.
        rows: (n,) which of them are in the list.
        scores: (n,) fused scores; where diversity moved items they need not fall.
    """

    pool: Pool = field(repr=False)
    rows: Ids = field(repr=False)
    scores: Floats = field(repr=False)

    @property
    def items(self) -> Ids:
        """(n,) item numbers."""
        return self.pool.items[self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> Recommendation:
        row = int(self.rows[place])
        return Recommendation(
            item=int(self.pool.items[row]),
            score=float(self.scores[place]),
            sources=self._sources(row),
        )

    def __iter__(self) -> Iterator[Recommendation]:
        return (self[place] for place in range(len(self)))

    def candidates(self) -> Candidates:
        """The list as a channel would answer it.

        An item that diversity moved up lends its score to what it was moved above, since a
        channel's scores never rise. Reasons are those of the channel that ranked an item best
        among those that give one.
        """
        scores = np.minimum.accumulate(self.scores).astype(np.float32)
        reasons = tuple(self._reason(int(row)) for row in self.rows)
        return Candidates(self.items, scores, reasons if any(reasons) else ())

    def _sources(self, row: int) -> tuple[Source, ...]:
        return tuple(
            Source(
                channel=self.pool.channels[column],
                rank=int(self.pool.ranks[row, column]),
                score=float(self.pool.scores[row, column]),
                reason=self.pool.reason(row, column),
            )
            for column in self._columns(row)
        )

    def _reason(self, row: int) -> str:
        reasons = (self.pool.reason(row, column) for column in self._columns(row))
        return next((reason for reason in reasons if reason), "")

    def _columns(self, row: int) -> list[int]:
        """Channels that recalled a candidate, by rank and then by name."""
        ranks = self.pool.ranks[row].tolist()
        return sorted((c for c, rank in enumerate(ranks) if rank), key=lambda c: (ranks[c], c))
