"""Nearest items by inner product: the only door to FAISS.

On disk an index is two files in one folder. `index-<hash>.bin` holds the item numbers
(int64) and then the vectors (float32), little-endian; `manifest.json` names its hash, size
and kind. The data file is written first and the manifest renamed over the old one last, so
a reader finds the old index or the new one, never a mixture. FAISS parses no file: its own
reader trusts what it is given.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, Self

import faiss
import numpy as np
import numpy.typing as npt

from recall.errors import CorruptIndexError, ForeignIndexError, ShapeError
from recall.manifest import Kind, Manifest

Ids = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]

MANIFEST = "manifest.json"


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
        """The best items of every query, best first.

        Args:
            queries: (batch, dim), finite.
            k: items a query, at least 1.

        Returns:
            Item numbers int64 and scores float32, each (batch, min(k, count)).

        Raises:
            ShapeError: the queries do not fit the index, or `k` is below 1.
        """
        ...


class FlatIndex:
    """Every vector compared with every query: exact, and the judge of other indexes.

    Args:
        vectors: (count, dim), finite, at least one row.
        ids: (count,) item numbers, each once; 0 … count-1 when left out.
        threads: OpenMP threads of a search; FAISS would otherwise take every core.

    Raises:
        ShapeError: the arrays do not fit together, or `threads` is below 1.
    """

    def __init__(
        self, vectors: npt.ArrayLike, *, ids: npt.ArrayLike | None = None, threads: int = 1
    ) -> None:
        self._vectors = _rows(vectors, "vectors")
        if not self._vectors.size:
            raise ShapeError("an index needs at least one vector of at least one number")
        self._ids = _identifiers(ids, count=len(self._vectors))
        if threads < 1:
            raise ShapeError(f"threads must be at least 1, not {threads}")
        self._threads = threads
        self._faiss = faiss.IndexFlatIP(self.dim)
        with _threads(threads):
            self._faiss.add(self._vectors)

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        return int(self._vectors.shape[1])

    @property
    def count(self) -> int:
        """Items in the index."""
        return int(self._vectors.shape[0])

    def search(self, queries: Vectors, k: int) -> tuple[Ids, Vectors]:
        """See `Index.search`; equal scores come in no promised order."""
        rows = _rows(queries, "queries")
        if rows.shape[1] != self.dim:
            raise ShapeError(f"queries have {rows.shape[1]} numbers, the index {self.dim}")
        if k < 1:
            raise ShapeError(f"k must be at least 1, not {k}")
        with _threads(self._threads):
            scores, found = self._faiss.search(rows, min(k, self.count))
        return self._ids[found], np.asarray(scores, dtype=np.float32)

    def save(self, folder: Path) -> Manifest:
        """Write the index into `folder`, replacing the one there only when all is on disk.

        Returns:
            The manifest that was written.

        Raises:
            OSError: the disk refused; an index already there is still whole.
        """
        data = self._ids.astype("<i8").tobytes() + self._vectors.astype("<f4").tobytes()
        manifest = Manifest(
            kind=Kind.FLAT_INNER_PRODUCT,
            dim=self.dim,
            count=self.count,
            sha256=hashlib.sha256(data).hexdigest(),
        )
        folder.mkdir(parents=True, exist_ok=True)
        _replace(folder / manifest.data_name, data)
        _replace(folder / MANIFEST, manifest.to_json().encode())
        for old in folder.glob("index-*.bin"):
            if old.name != manifest.data_name:
                old.unlink()
        return manifest

    @classmethod
    def load(cls, folder: Path, *, threads: int = 1) -> Self:
        """Read an index that `save` wrote.

        Raises:
            ForeignIndexError: the folder holds no index, or one of another kind.
            CorruptIndexError: the data are missing, cut short or changed.
        """
        manifest = _read_manifest(folder)
        data = _read_data(folder / manifest.data_name, manifest)
        split = 8 * manifest.count
        ids = np.frombuffer(data, dtype="<i8", count=manifest.count)
        vectors = np.frombuffer(data, dtype="<f4", offset=split)
        return cls(vectors.reshape(manifest.count, manifest.dim), ids=ids, threads=threads)


def _rows(values: npt.ArrayLike, what: str) -> Vectors:
    """`values` as a contiguous (rows, dim) float32 matrix of finite numbers."""
    rows = np.ascontiguousarray(values, dtype=np.float32)
    if rows.ndim != 2:
        raise ShapeError(f"{what} must be a (rows, dim) matrix, not {rows.shape}")
    if not np.isfinite(rows).all():
        raise ShapeError(f"{what} hold NaN or infinity")
    return rows


def _identifiers(ids: npt.ArrayLike | None, *, count: int) -> Ids:
    """Item numbers for `count` vectors, refused unless there is one for each."""
    if ids is None:
        return np.arange(count, dtype=np.int64)
    numbers = np.array(ids, dtype=np.int64)
    if numbers.shape != (count,) or len(np.unique(numbers)) != count:
        raise ShapeError(f"ids must be {count} different item numbers")
    return numbers


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """FAISS on `count` OpenMP threads; what the process had set before comes back."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _replace(path: Path, data: bytes) -> None:
    """Put `data` at `path` whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    try:
        return Manifest.from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ForeignIndexError(f"{path}: no index here ({error})") from error
    except ForeignIndexError as error:
        raise ForeignIndexError(f"{path}: {error}") from error


def _read_data(path: Path, manifest: Manifest) -> bytes:
    try:
        # The size is checked before the bytes are read: a huge file costs nothing.
        size = path.stat().st_size
        data = path.read_bytes() if size == manifest.data_bytes else b""
    except OSError as error:
        raise CorruptIndexError(f"{path}: the data file is missing ({error})") from error
    if size != manifest.data_bytes:
        raise CorruptIndexError(f"{path}: {size} bytes, not {manifest.data_bytes}")
    if hashlib.sha256(data).hexdigest() != manifest.sha256:
        raise CorruptIndexError(f"{path}: its hash is not the manifest's")
    return data
