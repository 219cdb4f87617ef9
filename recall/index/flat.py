"""Exact search, and its own file format.

On disk a flat index is two files in one folder. `index-<hash>.bin` holds the item numbers
(int64) and then the vectors (float32), little-endian; `manifest.json` names its hash, size
and kind. The data file is written first and the manifest renamed over the old one last, so
a reader finds the old index or the new one, never a mixture. FAISS parses none of it: its own
reader trusts what it is given.
"""

import hashlib
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from recall.errors import CorruptIndexError, ForeignIndexError, ShapeError
from recall.index.arrays import first_vectors, item_numbers
from recall.index.disk import replace
from recall.index.engine import FlatEngine
from recall.index.faiss_index import FaissIndex
from recall.index.kinds import Kind
from recall.index.manifest import Manifest

MANIFEST = "manifest.json"


class FlatIndex(FaissIndex):
    """Every vector compared with every query: exact, and the judge of other indexes.

    Args:
        vectors: (count, dim), finite, at least one row.
        ids: (count,) item numbers, each once, at least 0; 0 … count-1 when left out.
        threads: OpenMP threads of a search; FAISS would otherwise take every core.

    Raises:
        ShapeError: the arrays do not fit together, or `threads` is below 1.
    """

    _engine: FlatEngine

    def __init__(
        self, vectors: npt.ArrayLike, *, ids: npt.ArrayLike | None = None, threads: int = 1
    ) -> None:
        rows = first_vectors(vectors)
        numbers = item_numbers(ids, count=len(rows))
        if threads < 1:
            raise ShapeError(f"threads must be at least 1, not {threads}")
        engine = FlatEngine.built(rows, numbers, threads=threads)
        super().__init__(engine, dim=rows.shape[1])

    @property
    def kind(self) -> Kind:
        """How it searches."""
        return Kind.FLAT_INNER_PRODUCT

    def write(self, path: Path) -> None:
        """Write the data file."""
        path.write_bytes(self._data())

    def save(self, folder: Path) -> Manifest:
        """Write the index into `folder`, replacing the one there only when all is on disk.

        Returns:
            The manifest that was written.

        Raises:
            OSError: the disk refused; an index already there is still whole.
        """
        data = self._data()
        manifest = Manifest(
            kind=self.kind,
            dim=self.dim,
            count=self.count,
            sha256=hashlib.sha256(data).hexdigest(),
        )
        folder.mkdir(parents=True, exist_ok=True)
        replace(folder / manifest.data_name, data)
        replace(folder / MANIFEST, manifest.to_json().encode())
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
        return cls.from_data(data, count=manifest.count, threads=threads)

    @classmethod
    def from_data(cls, data: bytes, *, count: int, threads: int = 1) -> Self:
        """Read the content of a data file that `write` or `save` wrote, with `count` items."""
        ids = np.frombuffer(data, dtype="<i8", count=count)
        vectors = np.frombuffer(data, dtype="<f4", offset=ids.nbytes)
        return cls(vectors.reshape(count, -1), ids=ids, threads=threads)

    def _data(self) -> bytes:
        vectors = self._engine.vectors()
        return self.ids.astype("<i8").tobytes() + vectors.astype("<f4").tobytes()


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
