"""Songs whose vectors lie near those of a history: the Song2Vec channel."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from recall.candidates import NOTHING, Candidates
from recall.errors import ShapeError
from recall.graph_paths import GraphPaths
from recall.history import HistoryWeights
from recall.index import Index
from recall.query import Query

Ids = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class SongNeighbours:
    """Songs nearest the weighted mean of a history's vectors.

    A song's reason is the path that joins it to the history, where the graph has one, and else
    the song of the history that speaks most for it.

    Args:
        index: of the rows of `items`.
        history: (songs, dim) what a played song says of its listener.
        items: (songs, dim) vectors of the songs that are recalled; the inner product ranks.
        labels: (songs,) or more: what songs are called.
        paths: finds paths for reasons; without it no reason is one.
        weights: how much each play of the history counts.

    Raises:
        ShapeError: `history` and `items` are not matrices of one shape, or the index has
            another width.
    """

    index: Index = field(repr=False)
    history: Vectors = field(repr=False)
    items: Vectors = field(repr=False)
    labels: Sequence[str] = field(repr=False)
    paths: GraphPaths | None = None
    weights: HistoryWeights = field(default_factory=HistoryWeights)
    name: str = "kg"

    def __post_init__(self) -> None:
        if self.history.ndim != 2 or self.history.shape != self.items.shape:
            raise ShapeError("history and items must be (songs, dim) matrices of one shape")
        if self.history.shape[1] != self.index.dim or len(self.labels) < len(self.items):
            raise ShapeError("the index has another width, or songs lack labels")

    def recall(self, query: Query, k: int) -> Candidates:
        """The `k` songs of highest inner product; `NOTHING` without a history.

        Raises:
            ShapeError: the history holds a song without a vector.
        """
        if query.is_cold:
            return NOTHING
        songs, weights = self.weights.of(query.history)
        if not 0 <= songs[0] <= songs[-1] < len(self.history):
            raise ShapeError(f"the history holds a song outside 0 … {len(self.history) - 1}")
        mean = (weights @ self.history[songs]).astype(np.float32)
        items, scores = self.index.search(mean[np.newaxis], k)
        nearest = self._nearest(songs, weights, items[0])
        return Candidates(items[0], scores[0], self._reasons(query, items[0], nearest))

    def _nearest(self, songs: Ids, weights: npt.NDArray[np.float64], items: Ids) -> Ids:
        """(items,) the song of the history that adds most to each item's score."""
        shares = (weights[:, np.newaxis] * self.history[songs]) @ self.items[items].T
        return np.asarray(songs[np.argmax(shares, axis=0)])

    def _reasons(self, query: Query, items: Ids, nearest: Ids) -> tuple[str, ...]:
        paths = ("",) * len(items)
        if self.paths is not None:
            paths = self.paths.reasons(self.paths.walks(query.history), items)
        played = np.isin(items, query.history).tolist()
        return tuple(
            "played before" if again else path or f"near to {self.labels[near]}"
            for again, path, near in zip(played, paths, nearest.tolist(), strict=True)
        )
