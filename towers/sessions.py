"""Sessions: songs that were played together, and which of them is taught with which."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt

from towers.errors import ConfigError, FeatureError

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Pairs = tuple[Ids, Ids]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sessions:
    """Songs played together, one session after the other.

    Args:
        songs: (plays,) song numbers.
        starts: (sessions + 1,) ascending: session s is `songs[starts[s]:starts[s + 1]]`.
        count: songs in the catalogue.
        ordered: whether a session's songs come in order of time; in one that is only a list,
            every song is as near as any other.

    Raises:
        FeatureError: the arrays do not fit together.
    """

    songs: Ids = field(repr=False)
    starts: Ids = field(repr=False)
    count: int
    ordered: bool = True

    def __post_init__(self) -> None:
        if self.songs.ndim != 1 or self.starts.ndim != 1 or not len(self.starts):
            raise FeatureError("songs and starts of sessions must be vectors, starts not empty")
        ends = (self.starts[0], self.starts[-1])
        if ends != (0, len(self.songs)) or (np.diff(self.starts) < 0).any():
            raise FeatureError("starts must ascend from 0 to the number of plays")
        if len(self.songs) and not 0 <= self.songs.min() <= self.songs.max() < self.count:
            raise FeatureError(f"sessions hold a song outside 0 … {self.count - 1}")

    @classmethod
    def of(cls, songs: Ids, session: Ids, *, count: int, ordered: bool = True) -> Self:
        """Sessions of plays in the order they come.

        Args:
            songs: (plays,) song numbers.
            session: (plays,) ascending session numbers.
            count: songs in the catalogue.
            ordered: see above.
        """
        starts = np.flatnonzero(np.diff(session, prepend=-1, append=-1))
        return cls(
            songs=songs,
            starts=starts if len(songs) else np.zeros(1, dtype=np.int64),
            count=count,
            ordered=ordered,
        )

    def plays(self) -> Floats:
        """(count,) how often each song was played."""
        return np.bincount(self.songs, minlength=self.count).astype(np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contexts:
    """Which other songs of a session a song is taught with.

    Args:
        window: songs to each side that are near enough, in ordered sessions.
        draws: songs drawn from them for each play, in each epoch.
        thin_above: plays of a song whose share s of all plays is larger are left out at random,
            but for a share of (thin_above / s) ** 0.5; at 1 none is.
    """

    window: int = 10
    draws: int = 5
    thin_above: float = 1.0

    def __post_init__(self) -> None:
        if min(self.window, self.draws) < 1 or not 0 < self.thin_above <= 1:
            raise ConfigError("window and draws must be at least 1 and thin_above in (0, 1]")

    def epoch(self, sessions: Sessions, rng: np.random.Generator) -> Pairs:
        """Draw the pairs of an epoch, in random order; a song is never taught with itself.

        Returns:
            Two (pairs,) vectors: songs, and a song near each.
        """
        shown = np.flatnonzero(rng.random(len(sessions.songs)) < self._kept(sessions))
        songs = sessions.songs[shown]
        starts = np.searchsorted(shown, sessions.starts)
        session = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        place = np.arange(len(songs))
        low, high = starts[:-1][session], starts[1:][session]
        if sessions.ordered:
            low, high = (
                np.maximum(low, place - self.window),
                np.minimum(high, place + self.window + 1),
            )
        alone = high - low < 2
        place, low, high = (np.repeat(x[~alone], self.draws) for x in (place, low, high))
        near = low + (rng.random(len(place)) * (high - low - 1)).astype(np.int64)
        near += near >= place  # the play itself is stepped over
        pairs = np.stack([songs[place], songs[near]])
        pairs = pairs[:, pairs[0] != pairs[1]]
        return tuple(pairs[:, rng.permutation(pairs.shape[1])])

    def _kept(self, sessions: Sessions) -> Floats:
        """(plays,) the probability that each play is kept in an epoch."""
        share = sessions.plays() / max(1, len(sessions.songs))
        kept = np.sqrt(self.thin_above / np.maximum(share, self.thin_above))
        return np.asarray(kept[sessions.songs])


def batches(pairs: Pairs, size: int) -> Iterator[Pairs]:
    """The pairs in runs of `size`, the last one perhaps shorter."""
    for start in range(0, len(pairs[0]), size):
        yield pairs[0][start : start + size], pairs[1][start : start + size]
