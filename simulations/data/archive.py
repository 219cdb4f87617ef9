"""Unpacking the wanted files of a ZIP archive that nobody has vouched for."""

import stat
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path, PurePosixPath, PureWindowsPath

from simulations.errors import ArchiveError

CHUNK_BYTES = 1 << 16
MAX_MEMBERS = 1000


def unpack(archive: Path, folder: Path, *, wanted: Collection[str], max_bytes: int) -> None:
    """Write the members named `wanted` into `folder`, which must exist; others stay packed.

    An archive with any member that points outside its folder, or is a link, is refused whole,
    before anything is written: it was not made by honest means.

    Args:
        archive: a ZIP file.
        folder: an empty folder, which the caller discards on failure.
        wanted: plain file names; a member in a folder of the archive matches by its last part.
        max_bytes: bound on the unpacked size of all wanted files together, counted as they are
            written, whatever the archive says.

    Raises:
        ArchiveError: not a ZIP, a hostile member, a missing, repeated or damaged one, or more
            than `max_bytes`.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            members = _wanted_members(file, wanted)
            left = max_bytes
            for name, member in members.items():
                left -= _copy(file, member, folder / name, max_bytes=left)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise ArchiveError(f"{archive.name} is not a usable ZIP archive: {error}") from error


def _wanted_members(file: zipfile.ZipFile, wanted: Collection[str]) -> dict[str, zipfile.ZipInfo]:
    members = file.infolist()
    if len(members) > MAX_MEMBERS:
        raise ArchiveError(f"the archive has {len(members)} members; {MAX_MEMBERS} are allowed")
    found: dict[str, zipfile.ZipInfo] = {}
    for member in members:
        _require_tame(member)
        name = PurePosixPath(member.filename).name
        if name not in wanted or member.is_dir():
            continue
        if name in found:
            raise ArchiveError(f"the archive holds {name} twice")
        found[name] = member
    if missing := sorted(set(wanted) - set(found)):
        raise ArchiveError(f"the archive lacks {', '.join(missing)}")
    return found


def _require_tame(member: zipfile.ZipInfo) -> None:
    name = member.filename
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    leaves = posix.is_absolute() or windows.drive or windows.root or ".." in windows.parts
    if leaves or stat.S_ISLNK(member.external_attr >> 16):
        raise ArchiveError(f"the archive's member {name!r} points outside its folder")


def _copy(file: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, *, max_bytes: int) -> int:
    written = 0
    with file.open(member) as packed, path.open("wb") as out:
        while chunk := packed.read(CHUNK_BYTES):
            written += len(chunk)
            if written > max_bytes:
                raise ArchiveError(f"{path.name} unpacks to more than is allowed")
            out.write(chunk)
    return written
