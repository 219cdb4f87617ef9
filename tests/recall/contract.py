"""Every channel there is, over one small catalogue, for the contract suite."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from recall import (
    Channel,
    FlatIndex,
    GraphPaths,
    NearestVectors,
    Popularity,
    Query,
    SongNeighbours,
)
from tests.recall.made_graph import SMALL

VECTORS: Final = np.array(
    [[1, 0], [0.9, 0.1], [0, 1], [0.5, 0.6], [0.3, 0.2], [-1, 0.4]], dtype=np.float32
)
# Songs 0 … 5; a channel added to the package is added here, with songs it can recall.
CHANNELS: Final[Mapping[str, Channel]] = {
    "two-tower": NearestVectors(FlatIndex([[1, 0], [0, 1], [0.5, 0.6]], ids=[3, 4, 5])),
    "popularity": Popularity.from_counts([3, 0, 7, 7, 1, 1]),
    "kg-paths": GraphPaths(graph=SMALL),
    "kg": SongNeighbours(
        index=FlatIndex(VECTORS),
        history=VECTORS,
        items=VECTORS,
        labels=SMALL.labels,
        paths=GraphPaths(graph=SMALL),
    ),
}
QUERIES: Final[Mapping[str, Query]] = {
    "unknown": Query(),
    "cold": Query(vector=np.array([0.0, 1.0], dtype=np.float32)),
    "warm": Query(history=np.array([0, 2, 0], dtype=np.int64)),
    "mixed": Query(
        vector=np.array([1.0, 0.0], dtype=np.float32),
        history=np.array([5], dtype=np.int64),
        excluded=np.array([5], dtype=np.int64),
    ),
}
