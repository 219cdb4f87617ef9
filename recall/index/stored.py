"""An index of any kind as a folder: one data file, and a manifest that says what it is.

The manifest is checked first, then the data file's size and hash; only then does anything parse
the data. FAISS trusts the files it reads, so a data file of a compact index is as powerful as
code. The hash finds every accident; it is no protection from somebody who can write the folder,
and with it both files.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

from recall.errors import CorruptIndexError, ForeignIndexError, ShapeError
from recall.index.compact import CompactIndex, engine_of
from recall.index.disk import hash_of, keep, replace
from recall.index.engine import FAISS_VERSION, read_native
from recall.index.faiss_index import FaissIndex
from recall.index.flat import FlatIndex
from recall.index.kinds import Kind
from recall.index.measuring import Measured

FORMAT: Final = 2  # 1 is the flat index's own
MANIFEST: Final = "manifest.json"
DATA: Final = "index.bin"
HASH_DIGITS: Final = 64
MAX_MANIFEST_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Where an index comes from.

    Args:
        model: what made the vectors, such as the hash of a checkpoint.
        data: what they were made of, such as the name and day of a catalogue.
        measured: the recall that was measured when it was built.
    """

    model: str = ""
    data: str = ""
    measured: Measured | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredManifest:
    """What a stored index is.

    Args:
        number: of its version; 0 outside a publication.
        kind: how it searches.
        effort: how hard a search tries.
        dim: numbers in a vector.
        count: items.
        size: bytes of the data file.
        sha256: its hash, hexadecimal.
        created: when it was stored, ISO 8601, UTC.
        library: the FAISS that wrote it.
        model, data: as in `About`.
        measured: as in `About`.
    """

    number: int
    kind: Kind
    effort: int
    dim: int
    count: int
    size: int
    sha256: str
    created: str
    library: str
    model: str
    data: str
    measured: Measured | None

    def to_json(self) -> str:
        """The manifest as JSON."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read a manifest that `to_json` wrote.

        Raises:
            ForeignIndexError: it is something else, or of another format.
        """
        try:
            found = json.loads(text)
            if found.pop("format") != FORMAT:
                raise ForeignIndexError(f"only format {FORMAT} can be read")
            measured = found.pop("measured")
            return cls(
                **_typed(found, _FIELDS),
                kind=Kind(found["kind"]),
                measured=None if measured is None else Measured(**_typed(measured, _MEASURED)),
            )
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ForeignIndexError(f"no manifest of a stored index: {error!r}") from error

    def __post_init__(self) -> None:
        sizes_fit = self.number >= 0 and min(self.effort, self.dim, self.count, self.size) > 0
        is_hash = len(self.sha256) == HASH_DIGITS and set(self.sha256) <= set("0123456789abcdef")
        if not (sizes_fit and is_hash):
            raise ForeignIndexError("the manifest's sizes or hash are none")


_FIELDS: Final[Mapping[str, type]] = {
    **dict.fromkeys(("number", "effort", "dim", "count", "size"), int),
    **dict.fromkeys(("sha256", "created", "library", "model", "data"), str),
}
_MEASURED: Final[Mapping[str, type]] = {"k": int, "recall": float, "low": float, "queries": int}


def _typed(found: Mapping[str, Any], fields: Mapping[str, type]) -> dict[str, Any]:
    """The fields, each of its type; `kind` is read by its own means."""
    if found.keys() - {"kind"} != fields.keys():
        raise ValueError(f"its fields must be {sorted(fields)}")
    for name, kind in fields.items():
        # type() and not isinstance: a JSON `true` is an int in Python.
        if type(found[name]) is not kind:
            raise ValueError(f"{name} must be of type {kind.__name__}")
    return {name: found[name] for name in fields}


def store_index(
    index: FaissIndex, folder: Path, about: About | None = None, *, number: int = 0
) -> StoredManifest:
    """Write an index into an empty or new folder; the manifest comes last.

    Args:
        index: of any kind.
        folder: where to.
        about: where it comes from.
        number: of its version.

    Returns:
        What was written beside it.

    Raises:
        OSError: the disk refused; what is in the folder is no index then.
    """
    about = about or About()
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / DATA
    index.write(data)
    keep(data)
    manifest = StoredManifest(
        number=number,
        kind=index.kind,
        effort=index.effort,
        dim=index.dim,
        count=index.count,
        size=data.stat().st_size,
        sha256=hash_of(data),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        library=f"faiss {FAISS_VERSION}",
        model=about.model,
        data=about.data,
        measured=about.measured,
    )
    replace(folder / MANIFEST, manifest.to_json().encode())
    return manifest


def load_index(folder: Path, *, threads: int = 1, mapped: bool = True) -> FaissIndex:
    """Read an index that `store_index` wrote.

    Args:
        folder: where it is.
        threads: OpenMP threads of a search.
        mapped: leave a compact index's arrays in the file, where all processes of a machine share
            them; it cannot be changed then. A flat index is always read.

    Raises:
        ForeignIndexError: the folder holds no index, or one of another format.
        CorruptIndexError: the data are missing, cut short or changed.
        ShapeError: `threads` is below 1.
    """
    if threads < 1:
        raise ShapeError(f"threads must be at least 1, not {threads}")
    return read_data(folder, read_manifest(folder), threads=threads, mapped=mapped)


def read_manifest(folder: Path) -> StoredManifest:
    """The manifest of a stored index.

    Raises:
        ForeignIndexError: there is none.
    """
    path = folder / MANIFEST
    try:
        return StoredManifest.from_json(path.read_bytes()[:MAX_MANIFEST_BYTES])
    except OSError as error:
        raise ForeignIndexError(f"{path}: no index here ({error})") from error
    except ForeignIndexError as error:
        raise ForeignIndexError(f"{path}: {error}") from error


def read_data(
    folder: Path, manifest: StoredManifest, *, threads: int = 1, mapped: bool = True
) -> FaissIndex:
    """The index that a manifest describes, once its data file is known to be whole.

    Raises:
        CorruptIndexError: the data are missing, cut short, changed, or not what they should be.
    """
    path = folder / DATA
    _require_whole(path, manifest)
    if manifest.kind is Kind.FLAT_INNER_PRODUCT:
        return _flat(path, manifest, threads)
    try:
        native = read_native(path, mapped=mapped)
        engine = engine_of(manifest.kind, native, threads=threads)
    except (RuntimeError, TypeError) as error:
        raise CorruptIndexError(f"{path}: FAISS cannot read it ({error})") from error
    index = CompactIndex(engine, kind=manifest.kind, dim=manifest.dim, read_only=mapped)
    if index.count != manifest.count or engine.width - manifest.dim not in {0, 1}:
        raise CorruptIndexError(f"{path}: not the items that its manifest describes")
    index.effort = manifest.effort
    return index


def _flat(path: Path, manifest: StoredManifest, threads: int) -> FaissIndex:
    if manifest.size != manifest.count * (8 + 4 * manifest.dim):
        raise CorruptIndexError(f"{path}: not the items that its manifest describes")
    try:
        return FlatIndex.from_data(path.read_bytes(), count=manifest.count, threads=threads)
    except (OSError, ValueError, ShapeError) as error:
        raise CorruptIndexError(f"{path}: {error}") from error


def _require_whole(path: Path, manifest: StoredManifest) -> None:
    try:
        # The size is compared before the bytes are read: a huge file costs nothing.
        size = path.stat().st_size
        found = hash_of(path) if size == manifest.size else ""
    except OSError as error:
        raise CorruptIndexError(f"{path}: the data file is missing ({error})") from error
    if size != manifest.size:
        raise CorruptIndexError(f"{path}: {size} bytes, not {manifest.size}")
    if found != manifest.sha256:
        raise CorruptIndexError(f"{path}: its hash is not the manifest's")
