"""An index by its address: files of this machine, or a server."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import unquote, urlsplit

from recall.errors import ExtraMissingError, IndexAddressError
from recall.index.flat import FlatIndex
from recall.index.following import FollowingIndex
from recall.index.manifest import VERSION
from recall.index.protocol import EditableIndex, Index
from recall.index.stored import MANIFEST, load_index
from recall.index.versions import CURRENT

COLLECTION: Final = "items"
FITS: Final = "a folder, file:///folder, file.db, milvus://host:port/collection or milvus+tls://…"
_Milvus = Any  # its class, which is imported when it is asked for
_SERVERS: Final = {"milvus": "http", "milvus+tls": "https"}


def open_index(address: str, *, threads: int = 1, token: str = "") -> Index:
    """Open the index at an address.

    | address | index |
    |---|---|
    | a folder, or `file:///folder`, with versions | `FollowingIndex`; call `refresh` |
    | a folder with one stored index | the index, mapped |
    | `songs.db`, `songs.db#collection` | Milvus Lite in that file |
    | `milvus://host:port/collection` | a Milvus server; `milvus+tls://` over TLS |

    A collection that is not named is `items`.

    Args:
        address: where it is.
        threads: OpenMP threads of a search; a server has its own.
        token: `user:password` or a key for a server; never part of the address, which is logged.

    Raises:
        IndexAddressError: the address cannot be understood.
        ExtraMissingError: the index is Milvus's, and pymilvus is not installed.
        IndexFileError: there is no index, or it is damaged.
        IndexServerError: the server does not answer, or refuses.
    """
    place = _milvus_place(address)
    if place is not None:
        uri, collection = place
        return cast(Index, _milvus().open(uri, collection, token=token))
    folder = _folder(address)
    if (folder / CURRENT).exists():
        return FollowingIndex(folder, threads=threads)
    if _is_flat_format(folder):
        return FlatIndex.load(folder, threads=threads)
    return load_index(folder, threads=threads)


def create_index(address: str, *, dim: int, token: str = "") -> EditableIndex:
    """Make an empty collection of Milvus; indexes in files are built, stored and published.

    Args:
        address: of Milvus, as in `open_index`.
        dim: numbers in a vector.
        token: as in `open_index`.

    Raises:
        IndexAddressError: the address is not Milvus's.
        ExtraMissingError: pymilvus is not installed.
        ForeignIndexError: the collection exists already.
        IndexServerError: the server does not answer, or refuses.
    """
    place = _milvus_place(address)
    if place is None:
        raise IndexAddressError(f"{address}: only Milvus makes an empty index")
    uri, collection = place
    return cast(EditableIndex, _milvus().create(uri, collection, dim=dim, token=token))


def _milvus_place(address: str) -> tuple[str, str] | None:
    """Milvus's own address and the collection, if an address is one of Milvus."""
    parts = urlsplit(address)
    if parts.scheme in _SERVERS:
        if not parts.hostname or parts.username or parts.query or parts.fragment:
            raise IndexAddressError(f"the address must be {FITS}, without a user")
        collection = parts.path.strip("/") or COLLECTION
        return f"{_SERVERS[parts.scheme]}://{parts.netloc}", collection
    path, _, collection = address.partition("#")
    if path.endswith(".db"):
        return path, collection or COLLECTION
    return None


def _folder(address: str) -> Path:
    parts = urlsplit(address)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"} and parts.path:
        return Path(unquote(parts.path))
    if "://" in address or not address:
        raise IndexAddressError(f"the address must be {FITS}, not {address!r}")
    return Path(address)


def _is_flat_format(folder: Path) -> bool:
    try:
        return f'"version": {VERSION}' in (folder / MANIFEST).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False


def _milvus() -> _Milvus:
    # Milvus's client takes seconds to import, and most have no Milvus.
    if find_spec("pymilvus") is None:
        raise ExtraMissingError("pymilvus is not installed: pip install 'fedrecall[milvus]'")
    return import_module("recall.index.milvus").MilvusIndex
