"""What every index does, wherever its vectors are."""

from typing import Protocol

import numpy.typing as npt

from recall.index.arrays import Ids, Vectors


class Index(Protocol):
    """Finds the items of highest inner product with a query."""

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        ...

    @property
    def count(self) -> int:
        """Items in the index."""
        ...

    def search(self, queries: Vectors, k: int) -> tuple[Ids, Vectors]:
        """The best items of every query, best first; equal scores in no promised order.

        Args:
            queries: (batch, dim), finite.
            k: items a query, at least 1.

        Returns:
            Item numbers int64 and scores float32, each (batch, min(k, count)).

        Raises:
            ShapeError: the queries do not fit the index, or `k` is below 1.
            IndexServerError: the index is elsewhere and does not answer.
        """
        ...


class EditableIndex(Index, Protocol):
    """An index whose items come and go. A call that is refused changes nothing.

    Nothing may search while items come or go: change an index of your own and publish it.
    """

    def add(self, vectors: npt.ArrayLike, ids: npt.ArrayLike) -> None:
        """Take in new items; nothing is trained again.

        Args:
            vectors: (new, dim), finite.
            ids: (new,) item numbers, at least 0.

        Raises:
            ShapeError: the arrays do not fit together or the index.
            ItemNumberError: an item is in the index already.
            ReadOnlyIndexError: the index is mapped from a file.
            IndexServerError: the index is elsewhere and does not answer.
        """
        ...

    def remove(self, ids: npt.ArrayLike) -> None:
        """Take items out; at least one must stay.

        Raises:
            ShapeError: `ids` is no vector of integers.
            ItemNumberError: an item is not in the index or comes twice, or none would stay.
            ReadOnlyIndexError: the index is mapped from a file.
            IndexServerError: the index is elsewhere and does not answer.
        """
        ...
