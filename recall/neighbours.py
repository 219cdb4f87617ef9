"""Which songs are played by the same people: item-to-item neighbours from co-listening."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from recall.errors import ConfigError
from recall.plays import checked_plays, listener_counts

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighbourConfig:
    """How alike two songs are, and how many neighbours one keeps.

    Args:
        count: neighbours that a song keeps at most.
        shrinkage: shared listeners of weight 1 that a pair is short of; more of it trusts pairs
            with few listeners less.
        damping: 0 counts every listener alike; 1 gives all listeners the same influence,
            however many songs they play.
        block: pairs of songs, in entries of a sparse product, that are compared at a time; bounds
            the memory (about 24 bytes an entry).

    Raises:
        ConfigError: a number is out of range.
    """

    count: int = 200
    shrinkage: float = 6.0
    damping: float = 0.5
    block: int = 8_000_000

    def __post_init__(self) -> None:
        if self.count < 1 or self.block < 1:
            raise ConfigError("neighbours' count and block must be at least 1")
        if not 0 <= self.shrinkage < np.inf or not 0 <= self.damping <= 1:
            raise ConfigError("neighbours' shrinkage must be 0 or more, damping in 0 … 1")


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """The nearest songs of every song.

    Args:
        table: (items, items); row i holds the likenesses of i's nearest songs, never its own.
    """

    table: sp.csr_array = field(repr=False)

    @classmethod
    def from_plays(
        cls, plays: sp.sparray | sp.spmatrix, config: NeighbourConfig | None = None
    ) -> Self:
        """Compare all songs that share a listener.

        With w(u) the weight of listener u, n(u) the songs u plays and c(i) the listeners of i,

            likeness(i, j) = Σ w(u) over u who play both / (√(c(i) c(j)) + shrinkage),

        and w(u) is n(u)^-damping, scaled to a mean of 1.

        Args:
            plays: (users, items), above 0 where a user played a song; how often plays no part.
            config: how to compare.

        Raises:
            ShapeError: `plays` hold a negative number, NaN or infinity, or nothing at all.

        Source: Sarwar et al. (WWW 2001) for the cosine, Bell & Koren (ICDM 2007) for shrinkage,
            Breese et al. (UAI 1998) for weighing listeners by how selective they are.
        """
        asked = config or NeighbourConfig()
        heard = checked_plays(plays)
        heard.data[:] = 1.0
        rows = [_nearest(block, asked) for block in _likenesses(heard, asked)]
        return cls(sp.csr_array(sp.vstack(rows, format="csr")))

    @property
    def items(self) -> int:
        """Songs in the catalogue."""
        return int(self.table.shape[0])


def _likenesses(heard: sp.csr_array, config: NeighbourConfig) -> Iterator[sp.csr_array]:
    """Likenesses of some songs to all songs, a block of rows after another."""
    listeners = listener_counts(heard)
    songs = np.diff(heard.indptr)
    weights = np.maximum(songs, 1.0) ** -config.damping
    weighted = sp.csr_array(sp.diags_array(weights / weights.mean()) @ heard)
    by_song = sp.csr_array(heard.T)
    # What the product of a song's row can hold at most: everything its listeners play.
    entries = by_song @ songs.astype(np.float64)
    for first, last in _blocks(entries, config.block):
        block = sp.csr_array(by_song[first:last] @ weighted)
        row = np.repeat(np.arange(first, last), np.diff(block.indptr))
        scale = np.sqrt(listeners[row] * listeners[block.indices]) + config.shrinkage
        block.data = np.where(block.indices == row, 0.0, block.data / scale)
        yield block


def _blocks(entries: Floats, most: int) -> Iterator[tuple[int, int]]:
    """Ranges of rows that hold at most `most` entries together, or one row each."""
    ends = np.cumsum(entries)
    first = 0
    while first < len(entries):
        before = ends[first - 1] if first else 0.0
        last = max(first + 1, int(np.searchsorted(ends, before + most, side="right")))
        yield first, last
        first = last


def _nearest(block: sp.csr_array, config: NeighbourConfig) -> sp.csr_array:
    """The most alike songs of every row; equal ones by number."""
    block.sort_indices()
    likeness = block.data.astype(np.float32)  # what differs by rounding alone is equal
    row = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr))
    order = np.lexsort((-likeness, row))
    place = np.arange(len(order)) - block.indptr[row]
    kept = np.sort(order[(place < config.count) & (likeness[order] > 0)])
    return sp.csr_array((likeness[kept], (row[kept], block.indices[kept])), shape=block.shape)
