"""What the default index is compared with: bare FAISS, HNSW and, where installed, others.

A peer is asked for users' songs and answers with places of the made vectors.
"""

import time
from abc import ABC, abstractmethod
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import faiss
import numpy as np
import numpy.typing as npt

from recall.index import CompactIndex, Kind
from recall.index.compact import engine_of
from recall.index.engine import read_native
from recall.index.engine_compact import POINTS_PER_CELL, refined_factory
from recall.index.faiss_index import FaissIndex
from recall.index.kinds import cells
from recall.index.opening import create_index

Vectors = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

HNSWLIB_LINKS: Final = 16  # M and ef_construction as in its own examples
HNSWLIB_BUILDING: Final = 200
HNSW_FACTORY: Final = "HNSW32"
Native = Any  # FAISS's classes are made by SWIG


class Peer(ABC):
    """Something that finds items.

    Args:
        build_cpu_s: what building it took, CPU seconds.
        effort: it is set to, where there is something to set.
        tunable: whether it is set to the recall of others; its effort is then the candidates that
            it keeps, at least `k`.
        slow: whether it is asked for a few users only.
    """

    build_cpu_s: float = 0.0
    effort: int | None = None
    tunable: bool = False
    slow: bool = False

    @abstractmethod
    def ask(self, queries: Vectors, k: int) -> Ids:
        """Places of the best items for (batch, dim) numbers: (batch, k)."""

    def set_effort(self, effort: int) -> None:
        """Make it try as hard; for those that can."""
        self.effort = effort

    def close(self) -> None:  # noqa: B027 - most hold nothing
        """Let go of what it holds."""


class Ours(Peer):
    """An index of this package."""

    def __init__(self, index: FaissIndex) -> None:
        self._index = index
        self.effort = index.effort

    def ask(self, queries: Vectors, k: int) -> Ids:
        return self._index.search(queries, k)[0]


class Bare(Peer):
    """An index of FAISS, called as its users call it.

    Args:
        native: FAISS's index.
        parameter: what is set to an effort, if there is one.
        tunable: see `Peer`.
    """

    def __init__(
        self, native: Native, parameter: str | None = None, *, tunable: bool = False
    ) -> None:
        self._native, self._parameter, self.tunable = native, parameter, tunable

    @classmethod
    def built(
        cls, factory: str, items: Vectors, parameter: str | None, *, tunable: bool = False
    ) -> "Bare":
        """Build what FAISS's factory makes of a word, for inner products."""
        began = time.process_time()
        native: Native = faiss.index_factory(items.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
        if hasattr(native, "cp"):
            native.cp.max_points_per_centroid = POINTS_PER_CELL
        native.train(items)
        native.add(items)
        peer = cls(native, parameter, tunable=tunable)
        peer.build_cpu_s = time.process_time() - began
        return peer

    @classmethod
    def opened(cls, path: Path, *, mapped: bool) -> "Bare":
        """Read what `save` or this package wrote; the file also holds its effort."""
        return cls(faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC if mapped else 0))

    def save(self, path: Path) -> None:
        """Write FAISS's file."""
        faiss.write_index(self._native, str(path))

    def ask(self, queries: Vectors, k: int) -> Ids:
        found: Ids = self._native.search(queries, k)[1]
        return found

    def set_effort(self, effort: int) -> None:
        super().set_effort(effort)
        if self._parameter:
            faiss.ParameterSpace().set_index_parameter(self._native, self._parameter, effort)


class Hnswlib(Peer):
    """hnswlib, on one thread."""

    tunable = True

    def __init__(self, items: Vectors, *, seed: int) -> None:
        began = time.process_time()
        self._native = import_module("hnswlib").Index("ip", items.shape[1])
        self._native.init_index(
            len(items), M=HNSWLIB_LINKS, ef_construction=HNSWLIB_BUILDING, random_seed=seed
        )
        self._native.set_num_threads(1)
        self._native.add_items(items, num_threads=1)
        self.build_cpu_s = time.process_time() - began

    def ask(self, queries: Vectors, k: int) -> Ids:
        found: Ids = self._native.knn_query(queries, k, num_threads=1)[0].astype(np.int64)
        return found

    def set_effort(self, effort: int) -> None:
        super().set_effort(effort)
        self._native.set_ef(effort)


class MilvusLite(Peer):
    """A collection in a file of Milvus Lite, behind this package's protocol."""

    slow = True

    def __init__(self, items: Vectors, path: Path) -> None:
        began = time.process_time()
        self._index: Any = create_index(str(path), dim=items.shape[1])
        self._index.add(items, np.arange(len(items)))
        self.build_cpu_s = time.process_time() - began

    def ask(self, queries: Vectors, k: int) -> Ids:
        found: Ids = self._index.search(queries, k)[0]
        return found

    def close(self) -> None:
        self._index.close()


def has_hnswlib() -> bool:
    """Whether hnswlib is installed."""
    return find_spec("hnswlib") is not None


def has_milvus() -> bool:
    """Whether Milvus Lite is installed."""
    return find_spec("pymilvus") is not None and find_spec("milvus_lite") is not None


def one_thread() -> None:
    """FAISS on one thread in this process, as all peers are measured."""
    faiss.omp_set_num_threads(1)


def bare_words(index: FaissIndex) -> tuple[str, str | None]:
    """FAISS's own word for an index of a kind, and for its effort."""
    match index.kind:
        case Kind.PQ_REFINED:
            return refined_factory(index.dim + index.dim % 2), "k_factor_rf"
        case Kind.IVF_SQ8:
            return f"IVF{cells(index.count)},SQ8", "nprobe"
        case Kind.IVF_SQ6:
            return f"IVF{cells(index.count)},SQ6", "nprobe"
        case Kind.HNSW:
            return HNSW_FACTORY, "efSearch"
        case _:
            return "Flat", None


def same_object(path: Path, kind: Kind, dim: int) -> tuple[Ours, Bare]:
    """A compact index's data file, mapped once: as this package asks it, and as FAISS does."""
    native = read_native(path, mapped=True)
    engine = engine_of(kind, native, threads=1)
    return Ours(CompactIndex(engine, kind=kind, dim=dim, read_only=True)), Bare(native)
