"""What all indexes in this process's memory have in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recall.errors import ReadOnlyIndexError, ShapeError
from recall.index.arrays import (
    Ids,
    Vectors,
    known_numbers,
    matrix,
    new_numbers,
    require_finite,
    shaped,
)
from recall.index.engine import Engine, sum_of_squares
from recall.index.kinds import Kind


class FaissIndex(ABC):
    """An `EditableIndex` over an engine of FAISS.

    Args:
        engine: holds the items.
        dim: numbers in a vector; the engine may be wider, and is given zeros there.
        read_only: whether items may not come and go, as the engine's arrays are in a file.
    """

    def __init__(self, engine: Engine, *, dim: int, read_only: bool = False) -> None:
        self._engine = engine
        self._dim = dim
        self._read_only = read_only
        self._padding = engine.width - dim
        self._count = engine.count  # asking FAISS takes 1 µs of a search

    @property
    @abstractmethod
    def kind(self) -> Kind:
        """How it searches."""

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        return self._dim

    @property
    def count(self) -> int:
        """Items in the index."""
        return self._count

    @property
    def ids(self) -> Ids:
        """All item numbers, in no promised order."""
        return self._engine.ids()

    @property
    def effort(self) -> int:
        """How hard a search tries, in the engine's own unit; 1 where it means nothing."""
        return self._engine.effort

    @effort.setter
    def effort(self, value: int) -> None:
        if value < 1:
            raise ShapeError(f"effort must be at least 1, not {value}")
        self._engine.effort = value

    def efforts(self, k: int) -> tuple[int, int]:
        """The least and the most effort that make sense for `k` items a query."""
        return self._engine.efforts(k)

    def search(self, queries: Vectors, k: int) -> tuple[Ids, Vectors]:
        """See `Index.search`. A list that came out short is searched again in full."""
        rows = shaped(queries, "queries", dim=self._dim)
        if not isfinite(sum_of_squares(rows)):
            require_finite(rows, "queries")  # the sum overflows from 1e19 on
        if k < 1:
            raise ShapeError(f"k must be at least 1, not {k}")
        if self._padding:
            rows = self._widened(rows)
        k = min(int(k), self._count)
        scores, found = self._engine.search(rows, k)
        # One number is looked at by itself: most calls bring one query, and wait for it.
        if found.item(-1) < 0 if len(rows) == 1 else (found[:, -1] < 0).any():
            short = found[:, -1] < 0
            scores[short], found[short] = self._engine.search_everything(rows[short], k)
        return found, scores

    def add(self, vectors: npt.ArrayLike, ids: npt.ArrayLike) -> None:
        """See `EditableIndex.add`."""
        self._require_writable()
        rows = matrix(vectors, "vectors", dim=self._dim)
        numbers = new_numbers(ids, count=len(rows), held=self.ids)
        if len(rows):
            with self._recounted():
                self._engine.add(self._widened(rows), numbers)

    def remove(self, ids: npt.ArrayLike) -> None:
        """See `EditableIndex.remove`."""
        self._require_writable()
        numbers = known_numbers(ids, held=self.ids, count=self.count)
        if len(numbers):
            with self._recounted():
                self._engine.remove(numbers)

    @abstractmethod
    def write(self, path: Path) -> None:
        """Write the data file of a saved index; see `recall.index.stored`.

        Raises:
            OSError: the disk refused.
        """

    def _widened(self, rows: Vectors) -> Vectors:
        if not self._padding:
            return rows
        wide = np.zeros((len(rows), self._engine.width), np.float32)  # a tenth of np.pad's time
        wide[:, : self._dim] = rows
        return wide

    @contextmanager
    def _recounted(self) -> Iterator[None]:
        """Count the items again when they came or went, even if memory ran out amid it."""
        try:
            yield
        finally:
            self._count = self._engine.count

    def _require_writable(self) -> None:
        if self._read_only:
            raise ReadOnlyIndexError(
                "the index is mapped from a file; load it unmapped to change it"
            )
