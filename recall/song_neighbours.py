"""Songs near those of a history, by their vectors and by the graph: the Song2Vec channel."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from recall.candidates import NOTHING, Candidates
from recall.errors import ShapeError
from recall.graph_paths import GraphPaths, Walks
from recall.history import HistoryWeights
from recall.index import Index
from recall.query import Query
from recall.relation import RelationConfig, reached, relation_scores

Ids = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class SongNeighbours:
    """Songs nearest the weighted mean of a history's vectors, drawn nearer by relations.

    A song scores the inner product of its vector with the mean, plus what the relation factor
    makes of the walks that come to it. With a factor of 0, or without paths, this is plain
    Song2Vec. A song's reason is the path that joins it to the history, where the graph has one,
    and else the song of the history that speaks most for it.

    Args:
        index: of the rows of `items`.
        history: (songs, dim) what a played song says of its listener.
        items: (songs, dim) vectors of the songs that are recalled; the inner product ranks.
        labels: (songs,) or more: what songs are called.
        paths: walks the graph, for scores and for reasons; without it there is no graph.
        relation: how much the graph counts.
        weights: how much each play of the history counts.

    Raises:
        ShapeError: `history` and `items` are not matrices of one shape, or the index has
            another width, or the graph other songs.
    """

    index: Index = field(repr=False)
    history: Vectors = field(repr=False)
    items: Vectors = field(repr=False)
    labels: Sequence[str] = field(repr=False)
    paths: GraphPaths | None = None
    relation: RelationConfig = field(default_factory=RelationConfig)
    weights: HistoryWeights = field(default_factory=HistoryWeights)
    name: str = "kg"

    def __post_init__(self) -> None:
        if self.history.ndim != 2 or self.history.shape != self.items.shape:
            raise ShapeError("history and items must be (songs, dim) matrices of one shape")
        if self.history.shape[1] != self.index.dim or len(self.labels) < len(self.items):
            raise ShapeError("the index has another width, or songs lack labels")
        if self.paths is not None and self.paths.graph.songs != len(self.items):
            raise ShapeError(
                f"the graph has {self.paths.graph.songs} songs, not {len(self.items)}"
            )

    def recall(self, query: Query, k: int) -> Candidates:
        """The `k` songs of highest score; `NOTHING` without a history.

        Raises:
            ShapeError: the history holds a song without a vector.
        """
        if query.is_cold:
            return NOTHING
        songs, weights = self.weights.of(query.history)
        if not 0 <= songs[0] <= songs[-1] < len(self.history):
            raise ShapeError(f"the history holds a song outside 0 … {len(self.history) - 1}")
        mean = (weights @ self.history[songs]).astype(np.float32)
        walks = None if self.paths is None else self.paths.walks(query.history)
        items, scores = self._best(mean, walks, k)
        nearest = self._nearest(songs, weights, items)
        return Candidates(items, scores, self._reasons(query, walks, items, nearest))

    def _best(self, mean: Vectors, walks: Walks | None, k: int) -> tuple[Ids, Vectors]:
        """The `k` songs of highest score, best first.

        Songs that no walk came to all have the lowest relation score. Whatever the index puts
        before such a song stays before it, so one that is among the best `k` is among the
        index's first `k`: no song is missed, as long as the index misses none.
        """
        found, products = self.index.search(mean[np.newaxis], k)
        if walks is None or not self.relation.factor:
            return found[0], products[0]
        related, shares = reached(walks)
        songs = np.union1d(found[0], related)
        share = np.zeros(len(songs))
        share[np.searchsorted(songs, related)] = shares
        scores = self.items[songs] @ mean + relation_scores(self.relation, share)
        order = np.argsort(-scores, kind="stable")[:k]
        return songs[order], scores[order].astype(np.float32)

    def _nearest(self, songs: Ids, weights: npt.NDArray[np.float64], items: Ids) -> Ids:
        """(items,) the song of the history that adds most to each item's score."""
        shares = (weights[:, np.newaxis] * self.history[songs]) @ self.items[items].T
        return np.asarray(songs[np.argmax(shares, axis=0)])

    def _reasons(
        self, query: Query, walks: Walks | None, items: Ids, nearest: Ids
    ) -> tuple[str, ...]:
        paths = ("",) * len(items)
        if self.paths is not None and walks is not None:
            paths = self.paths.reasons(walks, items)
        played = np.isin(items, query.history).tolist()
        return tuple(
            "played before" if again else path or f"near to {self.labels[near]}"
            for again, path, near in zip(played, paths, nearest.tolist(), strict=True)
        )
