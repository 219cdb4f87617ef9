"""The recent-behaviour channel: what goes with the songs a user played last."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from recall.candidates import NOTHING, Candidates
from recall.errors import ConfigError, ShapeError
from recall.neighbours import Neighbours
from recall.plays import best_first, songs_of
from recall.query import Query

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentConfig:
    """Which of a user's songs speak, and how loudly.

    Args:
        songs: most recent different songs that are looked at.
        half_life: plays after which a song counts half; infinity forgets nothing.

    Raises:
        ConfigError: a number is out of range.
    """

    songs: int = 100
    half_life: float = 50.0

    def __post_init__(self) -> None:
        if self.songs < 1 or not self.half_life > 0:
            raise ConfigError("recent songs must be at least 1 and their half_life above 0")


@dataclass(frozen=True, slots=True, eq=False)
class RecentNeighbours:
    """Songs whose listeners also play what the user played last.

    A song's score is the sum over the user's songs i of likeness(i, song) · log₂(1 + plays of i)
    · ½^(age of i / half-life); what is new to the user comes with what is not.

    Args:
        neighbours: of every song.
        config: which songs of the user speak.
        titles: (items,) for reasons; songs are called by their numbers without.

    Raises:
        ShapeError: not as many titles as songs.
    """

    neighbours: Neighbours
    config: RecentConfig = field(default_factory=RecentConfig)
    titles: Sequence[str] | None = field(default=None, repr=False)
    name: str = "recent"

    def __post_init__(self) -> None:
        if self.titles is not None and len(self.titles) != self.neighbours.items:
            raise ShapeError(f"{len(self.titles)} titles for {self.neighbours.items} songs")

    def recall(self, query: Query, k: int) -> Candidates:
        """The `k` songs that go best with the user's; `NOTHING` without a known song."""
        songs, counts, ages = songs_of(query.history, self.neighbours.items)
        if not len(songs):
            return NOTHING
        songs, counts, ages = (each[: self.config.songs] for each in (songs, counts, ages))
        loudness = np.log2(1.0 + counts) * 0.5 ** (ages / self.config.half_life)
        found, owner, shares = self._shares(songs, loudness)
        items, place = np.unique(found, return_inverse=True)
        scores = np.bincount(place, weights=shares, minlength=len(items)).astype(np.float32)
        best = best_first(scores, k)
        because = songs[_loudest(best, place, shares, owner)]
        reasons = tuple(f"listeners of {self._title(song)} also play this" for song in because)
        return Candidates(items[best].astype(np.int64), scores[best], reasons)

    def _shares(
        self, songs: Ids, loudness: npt.NDArray[np.float64]
    ) -> tuple[Ids, Ids, npt.NDArray[np.float64]]:
        """Every neighbour of every song, whose neighbour it is, and what that is worth."""
        table = self.neighbours.table
        starts = table.indptr[songs].astype(np.int64)
        lengths = table.indptr[songs + 1].astype(np.int64) - starts
        owner = np.repeat(np.arange(len(songs)), lengths)
        within = np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        entries = starts[owner] + within
        return table.indices[entries], owner, table.data[entries] * loudness[owner]

    def _title(self, song: int) -> str:
        return self.titles[song] if self.titles is not None else f"song {song}"


def _loudest(best: Ids, place: Ids, shares: npt.NDArray[np.float64], owner: Ids) -> Ids:
    """(best,) which of the user's songs gave each of them most; the newest if equal."""
    rank = np.full(int(place.max(initial=-1)) + 1, -1, dtype=np.int64)
    rank[best] = np.arange(len(best))
    kept = np.flatnonzero(rank[place] >= 0)
    order = kept[np.lexsort((owner[kept], -shares[kept], rank[place[kept]]))]
    first = np.ones(len(order), dtype=bool)
    first[1:] = np.diff(rank[place[order]]) != 0
    return owner[order[first]]
