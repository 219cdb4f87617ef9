"""Every channel there is, over one small catalogue, for the contract suite."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from recall import (
    Channel,
    FactorModel,
    FlatIndex,
    Fusion,
    GraphPaths,
    LinearModel,
    NearestInterests,
    NearestVectors,
    Neighbours,
    Popularity,
    Query,
    RecentNeighbours,
    SongNeighbours,
)
from tests.recall.made_graph import SMALL

Ids = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LatestAndMean:
    """Two interests without training: the latest song's vector, and the mean of all."""

    vectors: Vectors

    def encode(self, history: Ids) -> Vectors:
        rows = self.vectors[history]
        return np.stack([rows[-1], rows.mean(axis=0)])


SONGS: Final = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)

VECTORS: Final = np.array(
    [[1, 0], [0.9, 0.1], [0, 1], [0.5, 0.6], [0.3, 0.2], [-1, 0.4]], dtype=np.float32
)

# Four listeners of songs 0 … 5.
PLAYS: Final = np.array(
    [[3, 0, 5, 1, 0, 0], [1, 0, 2, 1, 1, 0], [0, 0, 0, 2, 1, 1], [2, 0, 1, 0, 0, 4]]
)
TWO_TOWER: Final = NearestVectors(FlatIndex([[1, 0], [0, 1], [0.5, 0.6]], ids=[3, 4, 5]))
POPULARITY: Final = Popularity.from_counts([3, 0, 7, 7, 1, 1])
RECENT: Final = RecentNeighbours(Neighbours.from_plays(PLAYS))

# A channel added to the package is added here, with songs it can recall.
CHANNELS: Final[Mapping[str, Channel]] = {
    "two-tower": TWO_TOWER,
    "popularity": POPULARITY,
    "recent": RECENT,
    "linear": LinearModel.from_plays(PLAYS),
    "factors": FactorModel.from_plays(PLAYS),
    "fusion": Fusion((TWO_TOWER, POPULARITY, RECENT)),
    "kg-paths": GraphPaths(graph=SMALL),
    "kg": SongNeighbours(
        index=FlatIndex(VECTORS),
        history=VECTORS,
        items=VECTORS,
        labels=SMALL.labels,
        paths=GraphPaths(graph=SMALL),
    ),
    "sasrec": NearestInterests(LatestAndMean(SONGS), FlatIndex(SONGS)),
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
