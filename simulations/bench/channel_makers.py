"""The channels that `fedrecall bench channels` measures; add one here."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
import scipy.sparse as sp

from recall import (
    Channel,
    FactorModel,
    LinearModel,
    NeighbourConfig,
    Neighbours,
    Popularity,
    RecentNeighbours,
)
from simulations.bench.warm import Warm

Maker = Callable[[Warm], Channel | None]
"""Makes a channel from what it may see; None if the data have not what it needs."""

MIN_SONGS_OF_A_TAG: Final = 2  # a tag on one song joins nothing


def popularity(warm: Warm) -> Channel:
    """The most listened songs."""
    return Popularity.from_counts(warm.popularity())


def recent(warm: Warm) -> Channel:
    """Neighbours by co-listening."""
    return RecentNeighbours(Neighbours.from_plays(warm.known), titles=warm.titles)


def linear(warm: Warm) -> Channel:
    """Item-to-item weights in closed form."""
    return LinearModel.from_plays(warm.known)


def factors(warm: Warm) -> Channel:
    """A singular value decomposition."""
    return FactorModel.from_plays(warm.known)


def tags(warm: Warm) -> Channel | None:
    """Neighbours by tags in common: a channel that knows something else than listening."""
    if warm.tags is None:
        return None
    joining = np.diff(warm.tags.indptr) >= MIN_SONGS_OF_A_TAG
    table = Neighbours.from_plays(sp.csr_array(warm.tags[joining]), NeighbourConfig())
    return RecentNeighbours(table, titles=warm.titles, name="tags")


MAKERS: Final[Mapping[str, Maker]] = MappingProxyType(
    {
        "popularity": popularity,
        "recent": recent,
        "linear": linear,
        "factors": factors,
        "tags": tags,
    }
)
