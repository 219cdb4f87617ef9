"""How versions of an index lie in a folder, and how one is read while others come and go.

    CURRENT               names the version that is served, and the hash of its manifest
    v-00000012/           a version: `manifest.json` and `index.bin`, never changed again
    v-00000011/           an older one, kept to go back to or because a reader holds it
    .lock                 held by whoever publishes
    .new-…/               what a publisher that was killed left; the next one removes it

A version is written under `.new-…`, synced, and renamed; then `CURRENT` is renamed over the old
one. `CURRENT` names the manifest's hash and the manifest the data's, so what is read belongs
together or is refused. A reader holds a shared lock on a version's manifest for as long as it uses
the version; the kernel lets go of it when the reader ends, however it ends. A version that is held
is not pruned.
"""

import fcntl
import hashlib
import json
import os
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from recall.errors import CorruptIndexError, ForeignIndexError
from recall.index.disk import replace
from recall.index.faiss_index import FaissIndex
from recall.index.stored import MANIFEST, MAX_MANIFEST_BYTES, StoredManifest, read_data

CURRENT: Final = "CURRENT"
PREFIX: Final = "v-"
_ATTEMPTS: Final = 20  # to open a version while publishers prune those that were just read of


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """What `CURRENT` says.

    Args:
        version: number of the version that is served, from 1.
        manifest: SHA-256 of its manifest, hexadecimal.
    """

    version: int
    manifest: str

    def to_json(self) -> str:
        """The pointer as a line of JSON."""
        return json.dumps({"version": self.version, "manifest": self.manifest}) + "\n"

    @classmethod
    def read(cls, root: Path) -> Self:
        """What `CURRENT` says now.

        Raises:
            ForeignIndexError: there is no pointer, or it is damaged.
        """
        path = root / CURRENT
        try:
            found = json.loads(path.read_bytes()[:MAX_MANIFEST_BYTES])
            pointer = cls(version=found["version"], manifest=found["manifest"])
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise ForeignIndexError(f"{path}: no published index here ({error!r})") from error
        if type(pointer.version) is not int or pointer.version < 1:
            raise ForeignIndexError(f"{path}: {pointer.version} is no number of a version")
        return pointer

    def write(self, root: Path) -> None:
        """Make this what is served.

        Raises:
            OSError: the disk refused; what was served still is.
        """
        replace(root / CURRENT, self.to_json().encode())


@dataclass(slots=True, eq=False, weakref_slot=True)
class OpenVersion:
    """A version that is kept on disk for as long as this object lives."""

    pointer: Pointer
    manifest: StoredManifest
    index: FaissIndex = field(repr=False)


def folder_of(root: Path, number: int) -> Path:
    """Where a version lies."""
    return root / f"{PREFIX}{number:08d}"


def numbers(root: Path) -> list[int]:
    """The versions that are on disk, oldest first."""
    names = (path.name.removeprefix(PREFIX) for path in root.glob(f"{PREFIX}*"))
    return sorted(int(name) for name in names if name.isdecimal())


def open_current(root: Path, *, threads: int = 1, mapped: bool = True) -> OpenVersion:
    """Open the version that is served, and hold it.

    Args:
        root: the folder of all versions.
        threads: OpenMP threads of a search.
        mapped: see `load_index`.

    Raises:
        ForeignIndexError: the folder holds no published index.
        CorruptIndexError: the version is not whole.
    """
    pointer = Pointer.read(root)
    for _ in range(_ATTEMPTS):
        try:
            return open_version(root, pointer, threads=threads, mapped=mapped)
        except CorruptIndexError:
            # Between the pointer and the lock it may have been replaced, and pruned.
            if (now := Pointer.read(root)) == pointer:
                raise
            pointer = now
    raise CorruptIndexError(f"{root}: versions are replaced faster than they can be opened")


def open_version(
    root: Path, pointer: Pointer, *, threads: int = 1, mapped: bool = True
) -> OpenVersion:
    """Open one version, and hold it.

    Raises:
        CorruptIndexError: the version is gone, or is not whole.
    """
    folder = folder_of(root, pointer.version)
    lock, manifest = _held_manifest(folder / MANIFEST, pointer)
    try:
        index = read_data(folder, manifest, threads=threads, mapped=mapped)
        version = OpenVersion(pointer, manifest, index)
    except BaseException:
        os.close(lock)
        raise
    weakref.finalize(version, os.close, lock)
    return version


def is_held(folder: Path) -> bool:
    """Whether a reader uses a version."""
    try:
        handle = os.open(folder / MANIFEST, os.O_RDWR)  # NFS locks no other file for one alone
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _held_manifest(path: Path, pointer: Pointer) -> tuple[int, StoredManifest]:
    """A manifest, and the file descriptor whose lock holds it."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise CorruptIndexError(f"{path}: the manifest is missing ({error})") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        content = os.read(handle, MAX_MANIFEST_BYTES)
        if hashlib.sha256(content).hexdigest() != pointer.manifest:
            raise CorruptIndexError(f"{path}: its hash is not the one that {CURRENT} names")
        return handle, StoredManifest.from_json(content)
    except (ForeignIndexError, OSError) as error:
        os.close(handle)
        raise CorruptIndexError(f"{path}: {error}") from error
    except BaseException:
        os.close(handle)
        raise
