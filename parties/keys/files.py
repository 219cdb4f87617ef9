"""The files of a key folder: who may read them, and that none is ever lost.

Rules:
1. A secret is readable by its owner alone, from the moment it is made. One that others may read is
   refused, because nobody can tell whether they did.
2. What is trusted, such as the authority's certificate, may be read by all and changed by its
   owner alone.
3. No file is overwritten unless the caller says which one, and every file is whole or not there.
"""

import stat
from collections.abc import Iterable, Mapping
from enum import Enum
from os import fstat
from pathlib import Path
from shlex import quote
from typing import Final

from parties.checkpoints import write_whole
from parties.errors import (
    CheckpointError,
    ExposedKeyError,
    KeyFormatError,
    KeysError,
    KeysExistError,
    KeysMissingError,
)

MAX_BYTES: Final = 1 << 18  # keys and cards take a few hundred bytes; files come from outside too
FOLDER_MODE: Final = 0o700


class Access(Enum):
    """Who may use a file; the value is its mode."""

    OWNER = 0o600
    EVERYONE = 0o644

    @property
    def forbidden(self) -> int:
        """The mode bits that a file with this access may not have."""
        return 0o077 if self is Access.OWNER else 0o022


def read_file(path: Path, access: Access | None = None, *, hint: str = "") -> bytes:
    """The content of a file whose mode allows no more than `access`.

    Args:
        path: the file.
        access: None reads a file that is checked by other means, such as a fingerprint.
        hint: what to do when it is missing.

    Raises:
        KeysMissingError: it is not there.
        ExposedKeyError: others may read it, or change it.
        KeyFormatError: it is far too long for what it should be.
        KeysError: the disk or its permissions refuse.
    """
    if not path.is_file():
        raise KeysMissingError(f"{path} is not there{'; ' if hint else ''}{hint}")
    try:
        with path.open("rb") as file:
            if access is not None:
                _check_mode(path, fstat(file.fileno()).st_mode, access)
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise KeysError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise KeyFormatError(f"{path} is too long to be a key, a certificate or a roster")
    return data


def write_file(path: Path, data: bytes, access: Access) -> None:
    """Put `data` at `path`, whole or not at all, replacing what is there.

    Raises:
        KeysError: the disk refused, for want of space or of permission.
    """
    try:
        write_whole(path, data, mode=access.value)
    except CheckpointError as error:
        raise KeysError(str(error)) from error


def write_new(path: Path, data: bytes, access: Access) -> None:
    """Put `data` at `path`, where nothing may be yet.

    Raises:
        KeysExistError: there is something.
        KeysError: the disk refused.
    """
    refuse_existing([path])
    write_file(path, data, access)


def write_public(path: Path, data: bytes) -> None:
    """Put what all may read at `path`, where nothing may be yet.

    Raises:
        KeysExistError: there is something.
        KeysError: the disk refused.
    """
    write_new(path, data, Access.EVERYONE)


def fill_folder(folder: Path, files: Mapping[str, tuple[bytes, Access]]) -> None:
    """Make `folder` for its owner alone and write `files` into it, all of them or none.

    Raises:
        KeysExistError: one of the files is there already.
        KeysError: the disk refused, or the folder is open to others.
    """
    refuse_existing(folder / name for name in files)
    made = make_folder(folder)
    written: list[Path] = []
    try:
        for name, (data, access) in files.items():
            write_file(folder / name, data, access)
            written.append(folder / name)
    except KeysError:
        for path in written:
            path.unlink()
        if made:
            folder.rmdir()
        raise


def make_folder(folder: Path) -> bool:
    """Make a folder for its owner alone; returns whether it was missing.

    Raises:
        KeysError: it cannot be made.
        ExposedKeyError: it is there, and others may change what is in it.
    """
    made = not folder.exists()
    try:
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise KeysError(f"{folder} cannot be made: {error.strerror}") from error
    if not made:
        check_folder(folder)
    return made


def check_folder(folder: Path) -> None:
    """Refuse a folder that is missing, or in which others may put their own files.

    Raises:
        KeysMissingError: there is no such folder.
        ExposedKeyError: others may write into it.
    """
    if not folder.is_dir():
        raise KeysMissingError(f"{folder} is no folder; make keys with: fedrecall keys new")
    if folder.stat().st_mode & Access.EVERYONE.forbidden:
        raise ExposedKeyError(
            f"others may put their own keys into {folder}; run: chmod 700 {quote(str(folder))}"
        )


def refuse_existing(paths: Iterable[Path]) -> None:
    """Raise KeysExistError if one of the paths is there."""
    for path in paths:
        if path.exists() or path.is_symlink():
            raise KeysExistError(f"{path} exists already; nothing was written")


def _check_mode(path: Path, mode: int, access: Access) -> None:
    if not stat.S_IMODE(mode) & access.forbidden:
        return
    wrong = "read this secret" if access is Access.OWNER else "change this file"
    raise ExposedKeyError(
        f"others may {wrong}: {path} has mode {stat.S_IMODE(mode):o}; "
        f"run: chmod {access.value:o} {quote(str(path))}"
    )
