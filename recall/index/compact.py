"""Indexes that take less memory or time than exact search, and miss a few items for it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from recall.errors import ShapeError
from recall.index.arrays import Ids, Vectors, first_vectors, item_numbers
from recall.index.engine import Engine, Native
from recall.index.engine_compact import GraphEngine, InvertedEngine, RefinedEngine
from recall.index.faiss_index import FaissIndex
from recall.index.kinds import Kind, cells


class CompactIndex(FaissIndex):
    """An approximate index; `choose_index` makes the one that fits, and measures it.

    New vectors are coded by what was trained on the first ones: numbers far out of their range are
    clipped to it.

    Args:
        engine: holds the items.
        kind: how it searches; fits the engine.
        dim: numbers in a vector.
        read_only: whether items may not come and go.
    """

    def __init__(self, engine: Engine, *, kind: Kind, dim: int, read_only: bool = False) -> None:
        super().__init__(engine, dim=dim, read_only=read_only)
        self._kind = kind

    @classmethod
    def build(
        cls,
        vectors: npt.ArrayLike,
        *,
        kind: Kind,
        ids: npt.ArrayLike | None = None,
        seed: int = 0,
        threads: int = 1,
    ) -> Self:
        """Train an index of `kind` on vectors, and hold them.

        Args:
            vectors: (count, dim), finite; at least `least_items(kind)` rows.
            kind: any but the flat one.
            ids: (count,) item numbers, each once, at least 0; 0 … count-1 when left out.
            seed: of what is drawn in training.
            threads: OpenMP threads.

        Raises:
            ShapeError: the arrays do not fit together, there are too few, or `kind` is flat.
        """
        rows = first_vectors(vectors)
        numbers = item_numbers(ids, count=len(rows))
        if kind not in _BUILDERS or threads < 1:
            raise ShapeError(f"no compact index is {kind.value} on {threads} threads")
        if len(rows) < least_items(kind):
            raise ShapeError(f"{kind.value} needs {least_items(kind)} vectors, not {len(rows)}")
        engine = _BUILDERS[kind](rows, numbers, seed, threads)
        return cls(engine, kind=kind, dim=rows.shape[1])

    @property
    def kind(self) -> Kind:
        """How it searches."""
        return self._kind

    def write(self, path: Path) -> None:
        """Write FAISS's file of the index."""
        self._engine.write(path)


def least_items(kind: Kind) -> int:
    """Vectors without which a kind cannot be trained."""
    return {Kind.PQ_REFINED: PQ_TRAINING, Kind.HNSW: 1}.get(kind, CELL_TRAINING)


def engine_of(kind: Kind, native: Native, *, threads: int) -> Engine:
    """The engine over FAISS's index that was read from a file.

    Raises:
        TypeError: the index is of another kind.
    """
    return _ENGINES[kind].over(native, threads=threads)


PQ_TRAINING: Final = 624  # 39 for each of 16 codes, FAISS's own minimum
CELL_TRAINING: Final = 16

_ENGINES: Final[Mapping[Kind, type[Engine]]] = {
    Kind.PQ_REFINED: RefinedEngine,
    Kind.IVF_SQ8: InvertedEngine,
    Kind.IVF_SQ6: InvertedEngine,
    Kind.HNSW: GraphEngine,
}


def _refined(rows: Vectors, ids: Ids, seed: int, threads: int) -> Engine:
    even = np.pad(rows, ((0, 0), (0, rows.shape[1] % 2)))
    return RefinedEngine.built(even, ids, threads=threads)


def _inverted(bits: int) -> "_Builder":
    return lambda rows, ids, seed, threads: InvertedEngine.built(
        rows, ids, cells=cells(len(rows)), bits=bits, seed=seed, threads=threads
    )


def _graph(rows: Vectors, ids: Ids, seed: int, threads: int) -> Engine:
    return GraphEngine.built(rows, ids, threads=threads)


_Builder = Callable[[Vectors, Ids, int, int], Engine]
_BUILDERS: Final[Mapping[Kind, _Builder]] = {
    Kind.PQ_REFINED: _refined,
    Kind.IVF_SQ8: _inverted(8),
    Kind.IVF_SQ6: _inverted(6),
    Kind.HNSW: _graph,
}
