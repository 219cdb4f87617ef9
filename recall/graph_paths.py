"""Multi-hop recall over a knowledge graph, with the path kept as the reason.

A walk starts at the songs of a history, goes from entity to entity, and ends at the first song
it comes to. What reaches a song over all walks of at most `hops` steps is its score; a walk of
n steps counts `decay` ** (n - 1). After every step only the strongest entities walk on, so the
work of a query is bounded whatever the graph.

Source: walks along typed edges with a share for each follow Lao & Cohen (Machine Learning 2010);
the symmetric degree normalisation is that of Kipf & Welling (ICLR 2017). Unlike the former,
paths of all relations count together and no weight is learnt for each.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from recall.candidates import NOTHING, Candidates
from recall.errors import GraphError
from recall.graph import Graph
from recall.history import HistoryWeights
from recall.query import Query
from recall.reasons import Path, path_of, reason

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkConfig:
    """How far walks go.

    Args:
        hops: steps of the longest walk, at least 1; two songs of one artist are 2 apart, those
            of similar artists 3, those of artists with one genre 4.
        decay: what a further step takes from a walk's weight, in (0, 1].
        width: entities that walk on after a step, the strongest ones; at least 1.

    Raises:
        GraphError: a number is out of range.
    """

    hops: int = 4
    decay: float = 0.5
    width: int = 2000

    def __post_init__(self) -> None:
        if min(self.hops, self.width) < 1 or not 0 < self.decay <= 1:
            raise GraphError("hops and width must be at least 1 and decay in (0, 1]")


@dataclass(frozen=True, slots=True)
class Front:
    """Where walks stand after a step, and with how much weight.

    Args:
        nodes: (n,) ascending.
        weights: (n,) above 0.
    """

    nodes: Ids
    weights: Floats

    def at(self, nodes: Ids) -> Floats:
        """The weight at each of some nodes, 0 where no walk stands."""
        if not len(self.nodes):
            return np.zeros(len(nodes))
        place = np.minimum(np.searchsorted(self.nodes, nodes), len(self.nodes) - 1)
        return np.where(self.nodes[place] == nodes, self.weights[place], 0.0)


@dataclass(frozen=True, slots=True)
class Walks:
    """All walks from one history, step by step.

    Args:
        fronts: where they stood before each step: at songs of the history, then at entities.
        arrived: the songs each step came to, with the weight that counts.
    """

    fronts: Sequence[Front]
    arrived: Sequence[Front]

    def scores(self) -> Front:
        """What reached each song in all steps together, without the songs they began at."""
        songs = np.concatenate([front.nodes for front in self.arrived])
        weights = np.concatenate([front.weights for front in self.arrived])
        found, place = np.unique(songs, return_inverse=True)
        new = ~np.isin(found, self.fronts[0].nodes)
        total = np.zeros(len(found))
        np.add.at(total, place, weights)
        return Front(found[new], total[new])

    def reach(self, songs: Ids) -> Floats:
        """(steps, songs) the weight with which each step came to each song."""
        return np.stack([front.at(songs) for front in self.arrived])


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphPaths:
    """Songs that walks from the history come to: the knowledge-graph channel.

    Songs of the history themselves are not recalled: that a song has its own artist tells
    nobody anything.

    Args:
        graph: what is walked.
        walk: how far.
        weights: how much each play of the history counts.
    """

    graph: Graph = field(repr=False)
    walk: WalkConfig = field(default_factory=WalkConfig)
    weights: HistoryWeights = field(default_factory=HistoryWeights)
    name: str = "kg-paths"

    def recall(self, query: Query, k: int) -> Candidates:
        """The `k` songs that most walks come to; `NOTHING` if the graph joins none to them.

        Raises:
            GraphError: the history holds a song that the graph does not number.
        """
        if query.is_cold:
            return NOTHING
        walks = self.walks(query.history)
        scores = walks.scores()
        if not len(scores.nodes):
            return NOTHING
        order = np.lexsort((scores.nodes, -scores.weights))[:k]
        items = scores.nodes[order]
        return Candidates(
            items, scores.weights[order].astype(np.float32), self.reasons(walks, items)
        )

    def reasons(self, walks: Walks, songs: Ids) -> tuple[str, ...]:
        """Why walks came to each song, in words; an empty text where none came."""
        return tuple(
            reason(self.graph, path) if path is not None else ""
            for path in self.paths(walks, songs)
        )

    def paths(self, walks: Walks, songs: Ids) -> Iterator[Path | None]:
        """The path by which most came to each song; None where no walk came.

        Every step of it is an edge of the graph, and it begins at a song of the history.
        """
        came = walks.reach(songs)
        hops, reached = np.argmax(came, axis=0), np.max(came, axis=0)
        for song, hop, weight in zip(songs.tolist(), hops.tolist(), reached.tolist(), strict=True):
            yield self._follow(walks, song, hop) if weight else None

    def walks(self, history: Ids) -> Walks:
        """All walks from a history that is not empty.

        Raises:
            GraphError: it holds a song that the graph does not number.
        """
        songs, weights = self.weights.of(history)
        if not 0 <= songs[0] <= songs[-1] < self.graph.songs:
            raise GraphError(f"the history holds a song outside 0 … {self.graph.songs - 1}")
        fronts, arrived = [Front(songs, weights)], []
        for hop in range(self.walk.hops):
            found, onward = self._step(fronts[hop])
            arrived.append(Front(found.nodes, self.walk.decay**hop * found.weights))
            fronts.append(self._strongest(onward))
        return Walks(fronts, arrived)

    def _follow(self, walks: Walks, song: int, hop: int) -> Path:
        """Follow a song back from the step that came to it."""
        nodes = [song]
        for front in reversed(walks.fronts[: hop + 1]):
            nodes.append(self._before(front, nodes[-1]))
        return path_of(self.graph, nodes[::-1])

    def _before(self, front: Front, node: int) -> int:
        """The node of a front from which most came to `node`; steps are symmetric."""
        steps = self.graph.steps
        near = slice(*steps.indptr[node : node + 2])
        nodes = steps.indices[near].astype(np.int64)
        return int(nodes[np.argmax(front.at(nodes) * steps.data[near])])

    def _step(self, front: Front) -> tuple[Front, Front]:
        """The songs and the entities that one step from a front comes to."""
        steps = self.graph.steps
        row = sp.csr_array(
            (front.weights, front.nodes, [0, len(front.nodes)]), shape=(1, steps.shape[0])
        )
        found = sp.csr_array(row @ steps)
        found.sort_indices()
        nodes = found.indices.astype(np.int64)
        border = int(np.searchsorted(nodes, self.graph.songs))
        songs = Front(nodes[:border], found.data[:border])
        return songs, Front(nodes[border:], found.data[border:])

    def _strongest(self, front: Front) -> Front:
        """The `width` entities of a front that walk on."""
        width = self.walk.width
        if len(front.nodes) <= width:
            return front
        kept = np.sort(np.argpartition(-front.weights, width)[:width])
        return Front(front.nodes[kept], front.weights[kept])
