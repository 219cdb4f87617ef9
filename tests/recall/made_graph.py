"""Small knowledge graphs, and any of them for Hypothesis."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from hypothesis import strategies as st

from recall import Edges, Graph

Triple = tuple[int, int, int, float]


def made(
    triples: Sequence[Triple], *, songs: int, labels: Sequence[str], relations: Sequence[str]
) -> Graph:
    """The graph of (head, relation, tail, weight) tuples."""
    columns = list(zip(*triples, strict=True)) or [(), (), (), ()]
    edges = Edges(
        heads=np.array(columns[0], dtype=np.int64),
        relations=np.array(columns[1], dtype=np.int64),
        tails=np.array(columns[2], dtype=np.int64),
        weights=np.array(columns[3], dtype=np.float64),
    )
    return Graph.of(edges, songs=songs, labels=labels, relations=relations)


# Songs 0 … 5, then two artists who are alike, a series and a language.
SMALL: Final = made(
    [
        (0, 0, 6, 1.0),
        (1, 0, 6, 1.0),
        (2, 0, 7, 1.0),
        (3, 0, 7, 1.0),
        (6, 1, 7, 1.0),
        (1, 2, 8, 1.0),
        (4, 2, 8, 1.0),
        *((song, 3, 9, 1.0) for song in range(6)),
    ],
    songs=6,
    labels=("Air", "Bell", "Coda", "Dawn", "Echo", "Fuge", "Ann", "Bob", "Lost", "fr"),
    relations=("by_artist", "similar_to", "featured_in", "spoken in"),
)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Graph, list[Triple]]:
    """A graph of a few nodes and the triples that it is made of."""
    songs, entities = draw(st.integers(1, 6)), draw(st.integers(0, 6))
    nodes, kinds = songs + entities, draw(st.integers(1, 3))
    node = st.integers(0, nodes - 1)
    weight = st.floats(0.1, 5.0)
    drawn = draw(st.lists(st.tuples(node, st.integers(0, kinds - 1), node, weight), max_size=25))
    triples = [triple for triple in drawn if triple[0] != triple[2]]
    labels = [f"node {number}" for number in range(nodes)]
    relations = [f"relation_{number}" for number in range(kinds)]
    return made(triples, songs=songs, labels=labels, relations=relations), triples
