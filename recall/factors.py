"""The factor channel: a few directions of taste, from one singular value decomposition."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.sparse.linalg import svds

from recall.candidates import NOTHING, Candidates
from recall.errors import ConfigError
from recall.index import FlatIndex, Index
from recall.plays import checked_plays, listener_counts, songs_of
from recall.query import Query

Floats32 = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorConfig:
    """How listening is taken apart.

    Args:
        dim: directions of taste; fewer when there are not as many users or songs.
        damping: power of a song's listeners that its column is divided by, so that directions
            are not those of a few famous songs; 0 leaves them as they are.

    Raises:
        ConfigError: a number is out of range.
    """

    dim: int = 64
    damping: float = 0.25

    def __post_init__(self) -> None:
        if self.dim < 1 or not 0 <= self.damping <= 1:
            raise ConfigError("factors' dim must be at least 1, their damping in 0 … 1")


@dataclass(frozen=True, slots=True, eq=False)
class FactorModel:
    """Songs along the user's directions of taste.

    Args:
        index: of song vectors, one inner product a score.
        directions: (items, dim) what a play of each song adds to the user's vector.
        name: of the channel.
    """

    index: Index = field(repr=False)
    directions: Floats32 = field(repr=False)
    name: str = "factors"

    @classmethod
    def from_plays(
        cls, plays: sp.sparray | sp.spmatrix, config: FactorConfig | None = None
    ) -> Self:
        """Decompose who played what.

        With x(u, i) 1 where u played i, n(u) the songs u plays and c(i) the listeners of i, the
        matrix x / (√n(u) c(i)^damping) has right singular vectors V. A user's vector is the sum
        of V(i) / c(i)^damping over the songs i played; its inner product with V(j) c(j)^damping
        is the score of j. New users need no training.

        Args:
            plays: (users, items), above 0 where a user played a song; how often plays no part.
            config: how.

        Raises:
            ShapeError: `plays` hold a negative number, NaN or infinity, or nothing at all.

        Source: Cremonesi, Koren & Turrin (RecSys 2010) for PureSVD; Nikolakopoulos et al. (WSDM
            2019) for damping columns before they are decomposed.
        """
        asked = config or FactorConfig()
        heard = checked_plays(plays)
        listeners = listener_counts(heard)
        songs = np.flatnonzero(listeners)
        weight = listeners[songs] ** asked.damping
        vectors = _right_vectors(_scaled(heard, listeners, asked.damping), asked.dim)[songs]
        directions = np.zeros((heard.shape[1], vectors.shape[1]), dtype=np.float32)
        directions[songs] = vectors / weight[:, np.newaxis]
        return cls(FlatIndex(vectors * weight[:, np.newaxis], ids=songs), directions)

    def recall(self, query: Query, k: int) -> Candidates:
        """The `k` best songs along the user's vector; `NOTHING` without a song that was learnt."""
        songs, _, _ = songs_of(query.history, len(self.directions))
        vector = self.directions[songs].sum(axis=0)
        if not vector.any():
            return NOTHING
        items, scores = self.index.search(vector[np.newaxis], k)
        return Candidates(items[0], scores[0])


def _scaled(
    heard: sp.csr_array, listeners: npt.NDArray[np.float64], damping: float
) -> sp.csr_array:
    """(users, items) plays over the norms of rows and the damped listeners of columns."""
    lengths = np.diff(heard.indptr)
    scaled = heard.copy()
    scaled.data = 1 / np.sqrt(np.repeat(lengths, lengths)) / listeners[heard.indices] ** damping
    return scaled


def _right_vectors(matrix: sp.csr_array, dim: int) -> npt.NDArray[np.float64]:
    """(items, at most dim) right singular vectors, the largest first, with settled signs."""
    small = min(matrix.shape)
    if dim >= small - 1 or small <= 2 * dim:  # the iterative solver wants room
        _, values, rows = np.linalg.svd(matrix.toarray(), full_matrices=False)
    else:
        start = np.ones(small) / np.sqrt(small)  # the same every time
        _, values, rows = svds(matrix, k=dim, v0=start)
    order = np.argsort(-values, kind="stable")[:dim]
    kept = rows[order[values[order] > 1e-9 * values.max()]]
    signs = np.sign(kept[np.arange(len(kept)), np.abs(kept).argmax(axis=1)])
    return np.asarray((kept * signs[:, np.newaxis]).T, dtype=np.float64)
