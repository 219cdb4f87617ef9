"""The linear channel: every song of a user votes for every other, with weights in closed form."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from recall.candidates import NOTHING, Candidates
from recall.errors import ConfigError
from recall.plays import best_first, checked_plays, listener_counts, songs_of
from recall.query import Query
from recall.ridge import Floats, ItemSide, ItemWeights, UserSide

Ids = npt.NDArray[np.int64]

REASON = "goes with the user's songs taken together"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearConfig:
    """How the weights between songs are held back.

    Args:
        ridge: penalty that all songs share, in mean squared plays of a song.
        dropout: share of all plays that the weights must do without, in [0, 1); it holds back
            songs in proportion to their plays.
        max_side: largest side of the matrix that is inverted, 8 bytes · its square of memory, and
            a few times as much for a moment. With more users and more songs than that, only the
            most played songs are learnt and recalled.

    Raises:
        ConfigError: a number is out of range.
    """

    ridge: float = 15.0
    dropout: float = 2 / 3
    max_side: int = 10_000

    def __post_init__(self) -> None:
        if not 0 < self.ridge < np.inf or not 0 <= self.dropout < 1:
            raise ConfigError("the linear channel's ridge must be above 0, its dropout in [0, 1)")
        if self.max_side < 1:
            raise ConfigError("the linear channel's max_side must be at least 1")


@dataclass(frozen=True, slots=True, eq=False)
class LinearModel:
    """Songs that a linear model of all listening expects beside the user's.

    Args:
        weights: between the songs that were learnt.
        songs: (learnt,) their item numbers, ascending.
        name: of the channel.
    """

    weights: ItemWeights = field(repr=False)
    songs: Ids = field(repr=False)
    name: str = "linear"

    @classmethod
    def from_plays(
        cls, plays: sp.sparray | sp.spmatrix, config: LinearConfig | None = None
    ) -> Self:
        """Learn from who played what how often.

        A user's row is log(1 + plays), scaled to norm 1, so that nobody counts for more by
        playing more.

        Args:
            plays: (users, items), above 0 where a user played a song.
            config: how far to trust them.

        Raises:
            ShapeError: `plays` hold a negative number, NaN or infinity, or nothing at all.
        """
        asked = config or LinearConfig()
        heard = checked_plays(plays)
        songs = _learnable(heard, asked.max_side)
        rows = _unit_rows(sp.csr_array(heard[:, songs]))
        rows = sp.csr_array(rows[np.diff(rows.indptr) > 0])
        energy = np.bincount(rows.indices, weights=rows.data**2, minlength=len(songs))
        grown = asked.dropout / (1 - asked.dropout)
        penalties = asked.ridge * energy.mean() + grown * energy
        side = UserSide if rows.shape[0] < len(songs) else ItemSide
        return cls(side.solve(rows, penalties), songs)

    def recall(self, query: Query, k: int) -> Candidates:
        """The `k` songs that are most expected; `NOTHING` without a song that was learnt."""
        known, counts, _ = songs_of(query.history, int(self.songs[-1]) + 1)
        place = np.minimum(np.searchsorted(self.songs, known), len(self.songs) - 1)
        learnt = self.songs[place] == known
        if not learnt.any():
            return NOTHING
        scores = self.weights.scores(place[learnt], _unit(np.log1p(counts[learnt])))
        best = best_first(scores, k)
        return Candidates(self.songs[best], scores[best], (REASON,) * len(best))


def _learnable(heard: sp.csr_array, max_side: int) -> Ids:
    """Songs somebody played; the most heard `max_side` when neither side is small enough."""
    listeners = listener_counts(heard)
    users = int((np.diff(heard.indptr) > 0).sum())
    most = int((listeners > 0).sum()) if users <= max_side else max_side
    order = np.argsort(-listeners, kind="stable")[:most]
    return np.sort(order[listeners[order] > 0]).astype(np.int64)


def _unit_rows(plays: sp.csr_array) -> sp.csr_array:
    plays.data = np.log1p(plays.data)
    row = np.repeat(np.arange(plays.shape[0]), np.diff(plays.indptr))
    norms = np.sqrt(np.bincount(row, weights=plays.data**2, minlength=plays.shape[0]))
    plays.data = plays.data / norms[row]
    return plays


def _unit(values: Floats) -> Floats:
    return np.asarray(values / np.linalg.norm(values), dtype=np.float64)
