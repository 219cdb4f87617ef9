"""Engines that are quicker or smaller than exact search. With `engine`, the door to FAISS."""

import math
from abc import abstractmethod
from typing import Self

import faiss
import numpy as np

from recall.index.arrays import Ids, Vectors
from recall.index.engine import Engine, Found, MappedEngine, Native, on_threads, with_numbers

LINKS = 32  # of a vector in the graph
POINTS_PER_CELL = 64  # of the sample that k-means sees; more make no better cells
ROUNDS = 10  # of k-means
MARGIN = 0.05  # of a number's range, left on both sides of it for songs yet to come
FILL = 4  # times k items in the fewest cells searched, so that few lists come out short
MAX_SHARE = 8  # beyond an eighth of the cells, short codes of all items take less time


class RebuiltEngine(MappedEngine):
    """An engine whose FAISS index cannot forget: to remove is to encode again what stays."""

    def remove(self, ids: Ids) -> None:
        held = self.ids()
        stays = ~np.isin(held, ids)
        vectors = self._decoded()[stays]
        self._native.reset()
        self.add(vectors, held[stays])

    def search_everything(self, queries: Vectors, k: int) -> Found:
        with on_threads(self._threads):
            scores, places = self._exact_store().search(queries, k)
        return scores, self.ids()[places]

    def _decoded(self) -> Vectors:
        """All vectors as well as they are known, in the order of `ids`."""
        return np.asarray(self._exact_store().reconstruct_n(0, self.count))

    @abstractmethod
    def _exact_store(self) -> Native:
        """FAISS's index of the best known vectors."""


class RefinedEngine(RebuiltEngine):
    """4-bit product codes in registers, the best of them compared again by 8-bit scalars.

    Two numbers share a code, so the width is even. Effort is how many times `k` items are compared
    again.

    Source: André, Kermarrec & Le Scouarnec, Quicker ADC (TPAMI 2019).
    """

    INNER = faiss.IndexRefine

    @classmethod
    def built(cls, vectors: Vectors, ids: Ids, *, threads: int) -> Self:
        """Train on these vectors, whose width is even, and hold them."""
        width = vectors.shape[1]
        inner: Native = faiss.index_factory(
            width, refined_factory(width), faiss.METRIC_INNER_PRODUCT
        )
        store: Native = faiss.downcast_index(inner.refine_index)
        store.sq.rangestat_arg = MARGIN
        engine = cls(with_numbers(inner), threads=threads)
        with on_threads(threads):
            engine._native.train(vectors)
        engine.add(vectors, ids)
        return engine

    @property
    def effort(self) -> int:
        return int(self._inner.k_factor)

    @effort.setter
    def effort(self, value: int) -> None:
        self._inner.k_factor = float(value)

    def efforts(self, k: int) -> tuple[int, int]:
        return 1, max(1, min(64, self.count // k))

    def _exact_store(self) -> Native:
        return faiss.downcast_index(self._inner.refine_index)


class GraphEngine(RebuiltEngine):
    """Walks a graph of neighbours over whole vectors. Effort is the candidates a walk keeps.

    Source: Malkov & Yashunin (TPAMI 2020).
    """

    INNER = faiss.IndexHNSWFlat

    @classmethod
    def built(cls, vectors: Vectors, ids: Ids, *, threads: int) -> Self:
        """Link these vectors, each to 32 others, and hold them."""
        inner = faiss.IndexHNSWFlat(vectors.shape[1], LINKS, faiss.METRIC_INNER_PRODUCT)
        engine = cls(with_numbers(inner), threads=threads)
        engine.add(vectors, ids)
        return engine

    @property
    def effort(self) -> int:
        return int(self._inner.hnsw.efSearch)

    @effort.setter
    def effort(self, value: int) -> None:
        self._inner.hnsw.efSearch = value

    def efforts(self, k: int) -> tuple[int, int]:
        return k, max(k, min(self.count, 16 * k))

    def _exact_store(self) -> Native:
        return faiss.downcast_index(self._inner.storage)


class InvertedEngine(Engine):
    """Searches the cells whose mean scores best. Effort is how many of them.

    FAISS's own inverted files give an item to the cell of highest inner product, with means scaled
    to norm 1; a large prior or norm then says nothing of the cell, and at equal recall ten times
    the cells are searched. Here cells are those of plain k-means, and a cell's score is the mean
    score of its items: the inner product with their mean. Numbers are coded as they are, over the
    range of all vectors.

    Source: Jégou, Douze & Schmid (TPAMI 2011) for the inverted file.
    """

    @classmethod
    def built(
        cls, vectors: Vectors, ids: Ids, *, cells: int, bits: int, seed: int, threads: int
    ) -> Self:
        """Part these vectors into `cells` and hold them in `bits` (6 or 8) a number."""
        width = vectors.shape[1]
        means = faiss.IndexFlatIP(width)
        code = {6: faiss.ScalarQuantizer.QT_6bit, 8: faiss.ScalarQuantizer.QT_8bit}[bits]
        with on_threads(threads):
            means.add(_means(vectors, cells, seed))
            native = faiss.IndexIVFScalarQuantizer(
                means, width, cells, code, faiss.METRIC_INNER_PRODUCT, False
            )
            native.sq.rangestat_arg = MARGIN
            native.sq.train(vectors)
        native.is_trained = True
        engine = cls(native, threads=threads)
        engine.add(vectors, ids)
        return engine

    def add(self, vectors: Vectors, ids: Ids) -> None:
        with on_threads(self._threads):
            _, nearest = faiss.knn(vectors, self._means(), 1, metric=faiss.METRIC_L2)
            arrays = (vectors, ids, np.ravel(nearest))
            self._native.add_core(len(vectors), *(faiss.swig_ptr(array) for array in arrays))

    def search_everything(self, queries: Vectors, k: int) -> Found:
        everywhere = faiss.SearchParametersIVF()
        everywhere.nprobe = self._native.nlist
        with on_threads(self._threads):
            return self._ask(queries, k, everywhere)

    @property
    def effort(self) -> int:
        return int(self._native.nprobe)

    @effort.setter
    def effort(self, value: int) -> None:
        self._native.nprobe = value

    def efforts(self, k: int) -> tuple[int, int]:
        most = max(1, self._native.nlist // MAX_SHARE)
        filling = math.ceil(FILL * k * self._native.nlist / self.count)
        return min(filling, most), most

    def ids(self) -> Ids:
        lists = self._native.invlists
        sizes = [lists.list_size(cell) for cell in range(self._native.nlist)]
        parts = [
            faiss.rev_swig_ptr(lists.get_ids(cell), size)
            for cell, size in enumerate(sizes)
            if size
        ]
        return np.concatenate(parts).astype(np.int64)

    def _fits(self) -> bool:
        return isinstance(self._native, faiss.IndexIVFScalarQuantizer)

    def _means(self) -> Vectors:
        means = faiss.downcast_index(self._native.quantizer)
        return np.asarray(means.reconstruct_n(0, means.ntotal))


def refined_factory(width: int) -> str:
    """FAISS's own word for a `RefinedEngine` over `width` numbers."""
    return f"PQ{width // 2}x4fs,Refine(SQ8)"


def _means(vectors: Vectors, cells: int, seed: int) -> Vectors:
    clustering = faiss.Kmeans(
        vectors.shape[1],
        cells,
        niter=ROUNDS,
        seed=seed,
        max_points_per_centroid=POINTS_PER_CELL,
        min_points_per_centroid=1,
    )
    clustering.train(vectors)
    return np.asarray(clustering.centroids)
