"""Sources of candidates that need no model of their own."""

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from recall.candidates import NOTHING, Candidates
from recall.errors import ShapeError
from recall.index import Index
from recall.query import Query


class Channel(Protocol):
    """A source of candidates; a user it knows nothing of gets `NOTHING`."""

    @property
    def name(self) -> str:
        """The channel's name in reports and in served answers."""
        ...

    def recall(self, query: Query, k: int) -> Candidates:
        """At most `k` items for one user, best first."""
        ...


def fetch(channel: Channel, query: Query, k: int) -> Candidates:
    """At most `k` items of a channel, none of them excluded by the query.

    The channel is asked for as many more as might be excluded, so a list is short only when
    the channel has no more to give.
    """
    found = channel.recall(query, k + len(query.excluded))
    return found.without(query.excluded).best(k)


@dataclass(frozen=True, slots=True)
class NearestVectors:
    """Items nearest the user's tower output: the two-tower channel."""

    index: Index
    name: str = "two-tower"

    def recall(self, query: Query, k: int) -> Candidates:
        """The `k` items of highest inner product; `NOTHING` without a vector."""
        if query.vector is None:
            return NOTHING
        items, scores = self.index.search(query.vector[np.newaxis], k)
        return Candidates(items[0], scores[0])


@dataclass(frozen=True, slots=True)
class Popularity:
    """The same list for everybody: the most played items first."""

    ranking: Candidates
    name: str = "popularity"

    @classmethod
    def from_counts(cls, counts: npt.ArrayLike) -> Self:
        """Rank items by their plays (or users); equal counts keep the order of items.

        Args:
            counts: (items,) non-negative; items nobody played are left out.

        Raises:
            ShapeError: `counts` is no vector of non-negative finite numbers.
        """
        values = np.asarray(counts, dtype=np.float64)
        if values.ndim != 1 or not np.isfinite(values).all() or (values < 0).any():
            raise ShapeError("popularity needs a vector of non-negative finite counts")
        order = np.argsort(-values, kind="stable")
        order = order[values[order] > 0].astype(np.int64)
        return cls(Candidates(order, values[order].astype(np.float32)))

    def recall(self, query: Query, k: int) -> Candidates:
        """The `k` most played items, whoever asks."""
        return self.ranking.best(k)
