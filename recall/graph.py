"""A knowledge graph: songs and entities joined by typed edges, ready to be walked.

Nodes are numbered: 0 … songs-1 are the songs under their item numbers, the rest are entities
(artists, tags, series). An edge can be walked both ways. Every relation is normalised by the
degrees of both its ends, so that a step along an edge of weight w between nodes of degrees a
and b carries w / √(a b): an entity that everything hangs on passes next to nothing to each.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from recall.errors import GraphError

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Edges:
    """Typed edges, one a position.

    Args:
        heads: (n,) node numbers.
        relations: (n,) positions in the graph's `relations`.
        tails: (n,) node numbers; no edge leads from a node to itself.
        weights: (n,) finite, above 0; edges that come more than once add up.

    Raises:
        GraphError: the vectors differ in length, or hold what they may not.
    """

    heads: Ids = field(repr=False)
    relations: Ids = field(repr=False)
    tails: Ids = field(repr=False)
    weights: Floats = field(repr=False)

    def __post_init__(self) -> None:
        columns = (self.heads, self.relations, self.tails, self.weights)
        if any(column.ndim != 1 or len(column) != len(self.heads) for column in columns):
            raise GraphError("heads, relations, tails and weights must be vectors of one length")
        if any(column.dtype != np.int64 for column in columns[:3]):
            raise GraphError("heads, relations and tails must be int64 numbers")
        if not np.isfinite(self.weights).all() or (self.weights <= 0).any():
            raise GraphError("weights of edges must be finite and above 0")
        if (self.heads == self.tails).any():
            raise GraphError("an edge leads from a node to itself")

    def __len__(self) -> int:
        return len(self.heads)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Graph:
    """Songs and entities with one matrix of steps over all relations.

    Make one with `Graph.of`, which checks.

    Attributes:
        songs: how many nodes are songs; they come first.
        labels: what every node is called.
        relations: the names of the relations.
        steps: (nodes, nodes) symmetric; what a step carries, over all relations together.
        kinds: for every entry of `steps`, the relation that carries most of it: r + 1 if the
            step goes from head to tail, -(r + 1) if it goes back.
    """

    songs: int
    labels: Sequence[str] = field(repr=False)
    relations: tuple[str, ...]
    steps: sp.csr_array = field(repr=False)
    kinds: npt.NDArray[np.int32] = field(repr=False)

    @classmethod
    def of(
        cls, edges: Edges, *, songs: int, labels: Sequence[str], relations: Sequence[str]
    ) -> Self:
        """Build the graph of some edges; without any it knows nothing and recalls nothing.

        Args:
            edges: numbered by `labels` and `relations`.
            songs: how many nodes, counted from 0, are songs; at least 1.
            labels: one for every node.
            relations: their names, each once.

        Raises:
            GraphError: an edge names a node or relation that is not there.
        """
        _check(edges, songs=songs, nodes=len(labels), relations=relations)
        steps, kinds = _steps(edges, len(labels))
        return cls(
            songs=songs, labels=labels, relations=tuple(relations), steps=steps, kinds=kinds
        )

    @property
    def nodes(self) -> int:
        """Songs and entities together."""
        return int(self.steps.shape[0])

    @property
    def entities(self) -> int:
        """How many nodes are no songs."""
        return self.nodes - self.songs

    def kind(self, start: int, end: int) -> int:
        """The kind of the step between two nodes; 0 when no edge joins them."""
        first, last = self.steps.indptr[start : start + 2]
        place = first + int(np.searchsorted(self.steps.indices[first:last], end))
        if place == last or self.steps.indices[place] != end:
            return 0
        return int(self.kinds[place])


def _check(edges: Edges, *, songs: int, nodes: int, relations: Sequence[str]) -> None:
    if not 1 <= songs <= nodes:
        raise GraphError(f"{songs} songs do not fit among {nodes} nodes")
    if len(set(relations)) != len(relations):
        raise GraphError("relations must have different names")
    for what, numbers, count in (
        ("head", edges.heads, nodes),
        ("tail", edges.tails, nodes),
        ("relation", edges.relations, len(relations)),
    ):
        if len(numbers) and (numbers.min() < 0 or numbers.max() >= count):
            raise GraphError(f"a {what} lies outside 0 … {count - 1}")


def _steps(edges: Edges, nodes: int) -> tuple[sp.csr_array, npt.NDArray[np.int32]]:
    """The steps over all relations, and the strongest relation of each."""
    carried = _carried(edges, nodes)
    rows = np.concatenate([edges.heads, edges.tails])
    columns = np.concatenate([edges.tails, edges.heads])
    carried, kinds = (
        np.tile(carried, 2),
        np.concatenate([edges.relations + 1, -edges.relations - 1]),
    )
    # Sorted by cell and then by what is carried, the first entry of a cell is its strongest.
    order = np.lexsort((kinds, -carried, columns, rows))
    rows, columns, carried = rows[order], columns[order], carried[order]
    first = np.flatnonzero(np.diff(rows, prepend=-1) | np.diff(columns, prepend=-1))
    summed = np.add.reduceat(carried, first) if len(first) else carried
    starts = np.searchsorted(rows[first], np.arange(nodes + 1))
    steps = sp.csr_array((summed, columns[first], starts), shape=(nodes, nodes))
    return steps, kinds[order][first].astype(np.int32)


def _carried(edges: Edges, nodes: int) -> Floats:
    """(n,) what a step along each edge carries: its weight over the root of both degrees.

    Degrees are those within the relation, so that a relation with many edges does not weaken
    another one.
    """
    out_place = edges.relations * nodes + edges.heads
    in_place = edges.relations * nodes + edges.tails
    return edges.weights / np.sqrt(
        _sums(out_place, edges.weights) * _sums(in_place, edges.weights)
    )


def _sums(places: Ids, weights: Floats) -> Floats:
    """(n,) for every position the sum of the weights at its place."""
    _, inverse = np.unique(places, return_inverse=True)
    return np.asarray(np.bincount(inverse, weights=weights)[inverse])
