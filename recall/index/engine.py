"""The door to FAISS, with `engine_compact`. Arguments are checked before they come here.

An engine is one FAISS index that knows its items' numbers and is searched on a fixed number of
threads. Its **effort** is the one parameter that buys recall with time; what it counts depends
on the engine. FAISS's own file format is read here too: only ever after its hash was compared,
because FAISS trusts what it parses.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import faiss
import numpy as np
from faiss import fvec_norm_L2sqr, omp_get_max_threads, omp_set_num_threads, swig_ptr

from recall.index.arrays import Ids, Vectors

Native = Any  # FAISS's classes are made by SWIG, and its stubs know half of them
Found = tuple[Vectors, Ids]  # scores and item numbers, -1 where nothing was found

FAISS_VERSION: str = faiss.__version__


class Engine(ABC):
    """A FAISS index over item numbers.

    Args:
        native: FAISS's index, which holds the item numbers.
        threads: OpenMP threads; FAISS would otherwise take every core.
    """

    def __init__(self, native: Native, *, threads: int) -> None:
        self._native = native
        self._threads = threads

    @classmethod
    def over(cls, native: Native, *, threads: int) -> Self:
        """The engine over an index that was read from a file.

        Raises:
            TypeError: the index is one of another engine.
        """
        engine = cls(native, threads=threads)
        if not engine._fits() or native.metric_type != faiss.METRIC_INNER_PRODUCT:
            raise TypeError(f"{type(native).__name__} is no index of {cls.__name__}")
        return engine

    @property
    def width(self) -> int:
        """Numbers in a vector."""
        return int(self._native.d)

    @property
    def count(self) -> int:
        """Items in the index."""
        return int(self._native.ntotal)

    def search(self, queries: Vectors, k: int) -> Found:
        """The best items found; what the process had set as threads before comes back."""
        before = omp_get_max_threads()
        if before == self._threads:
            return self._ask(queries, k)
        omp_set_num_threads(self._threads)  # `on_threads` takes 3 µs more
        try:
            return self._ask(queries, k)
        finally:
            omp_set_num_threads(before)

    def search_everything(self, queries: Vectors, k: int) -> Found:
        """The same, leaving out no item, whatever the effort."""
        return self.search(queries, k)

    def _ask(self, queries: Vectors, k: int, params: Native = None) -> Found:
        """What FAISS's own wrapper does, but for the checks that were made: a microsecond less."""
        scores = np.empty((len(queries), k), np.float32)
        found = np.empty((len(queries), k), np.int64)
        arrays = swig_ptr(scores), swig_ptr(found)
        self._native.search_c(len(queries), swig_ptr(queries), k, *arrays, params)
        return scores, found

    def add(self, vectors: Vectors, ids: Ids) -> None:
        """Take in new items."""
        with on_threads(self._threads):
            self._native.add_with_ids(vectors, ids)

    def remove(self, ids: Ids) -> None:
        """Take items out."""
        with on_threads(self._threads):
            self._native.remove_ids(ids)

    def write(self, path: Path) -> None:
        """Write FAISS's file."""
        faiss.write_index(self._native, str(path))

    @abstractmethod
    def _fits(self) -> bool:
        """Whether FAISS's index is one for this engine."""

    @property
    @abstractmethod
    def effort(self) -> int:
        """How hard a search tries."""

    @effort.setter
    @abstractmethod
    def effort(self, value: int) -> None: ...

    @abstractmethod
    def efforts(self, k: int) -> tuple[int, int]:
        """The least and the most effort that make sense for `k` items a query."""

    @abstractmethod
    def ids(self) -> Ids:
        """All item numbers, in no promised order."""


class MappedEngine(Engine):
    """An engine over an index that knows positions only, in a table of item numbers."""

    INNER: type  # FAISS's class of it

    def _fits(self) -> bool:
        return isinstance(self._native, faiss.IndexIDMap) and isinstance(self._inner, self.INNER)

    @property
    def _inner(self) -> Native:
        return faiss.downcast_index(self._native.index)

    def ids(self) -> Ids:
        return np.asarray(faiss.vector_to_array(self._native.id_map), dtype=np.int64)


class FlatEngine(MappedEngine):
    """Every vector compared with every query. Effort means nothing."""

    INNER = faiss.IndexFlat

    @classmethod
    def built(cls, vectors: Vectors, ids: Ids, *, threads: int) -> Self:
        """Compare with these vectors."""
        engine = cls(with_numbers(faiss.IndexFlatIP(vectors.shape[1])), threads=threads)
        engine.add(vectors, ids)
        return engine

    @property
    def effort(self) -> int:
        return 1

    @effort.setter
    def effort(self, value: int) -> None:
        pass

    def efforts(self, k: int) -> tuple[int, int]:
        return 1, 1

    def vectors(self) -> Vectors:
        """A view of all vectors, in the order of `ids`, until items come or go."""
        values = faiss.rev_swig_ptr(self._inner.get_xb(), self.count * self.width)
        return np.asarray(values).reshape(self.count, self.width)


def read_native(path: Path, *, mapped: bool) -> Native:
    """FAISS's index in a file whose hash is known to be right.

    Args:
        path: of the file.
        mapped: leave its arrays in the file. To add to such an index ends the process.

    Raises:
        RuntimeError: FAISS cannot read it.
    """
    return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC if mapped else 0)


def exact_neighbours(queries: Vectors, vectors: Vectors, k: int, *, threads: int) -> Found:
    """Scores and positions of the vectors of highest inner product, with no index."""
    with on_threads(threads):
        return faiss.knn(queries, vectors, k, metric=faiss.METRIC_INNER_PRODUCT)


def sum_of_squares(rows: Vectors) -> float:
    """Of all numbers of a contiguous matrix; NaN or infinite where one of them is, or too large.

    Between two searches, whose half a megabyte of codes leaves nothing in the nearest caches, it
    takes 0.7 µs for a query; NumPy's `isfinite` and a look at what it says take 1.7.
    """
    total: float = fvec_norm_L2sqr(swig_ptr(rows), rows.size)
    return total


@contextmanager
def on_threads(count: int) -> Iterator[None]:
    """FAISS on `count` OpenMP threads; what the process had set before comes back."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def with_numbers(inner: Native) -> Native:
    """An index that knows positions only, wrapped in a table of item numbers."""
    native = faiss.IndexIDMap(inner)
    inner.this.disown()
    native.own_fields = True
    return native
