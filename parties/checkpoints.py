"""What a party keeps on its own disk, so that a killed run can go on.

Files are written whole or not at all, readable by their owner alone, and carry a digest, so a
file that was cut short or changed is never taken for a state.
"""

import hashlib
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol

from parties.errors import CheckpointError

MAGIC: Final = b"fedrecall checkpoint 1\n"
DIGEST_BYTES: Final = 32
KEPT_EPOCHS: Final = 2  # a party may have died one epoch before the others
EPOCH_FILE: Final = re.compile(r"epoch-(\d+)\.ckpt")


class CheckpointStore(Protocol):
    """Where one party keeps its alignment and the states of its last epochs."""

    def save_alignment(self, data: bytes) -> None:
        """Replace the alignment; states of the old one go."""
        ...

    def load_alignment(self) -> bytes | None:
        """The alignment, or None if there is none."""
        ...

    def save_epoch(self, epoch: int, data: bytes) -> None:
        """Add the state after an epoch; all but it and the one before go."""
        ...

    def epochs(self) -> tuple[int, ...]:
        """Epochs whose state is held, ascending."""
        ...

    def load_epoch(self, epoch: int) -> bytes:
        """The state after an epoch.

        Raises:
            CheckpointError: it is not held, or damaged.
        """
        ...


class NoCheckpoints:
    """Keeps nothing: for tests and for runs that are not worth resuming."""

    def save_alignment(self, data: bytes) -> None:
        return

    def load_alignment(self) -> bytes | None:
        return None

    def save_epoch(self, epoch: int, data: bytes) -> None:
        return

    def epochs(self) -> tuple[int, ...]:
        return ()

    def load_epoch(self, epoch: int) -> bytes:
        raise CheckpointError(f"the state after epoch {epoch} is not held")


class FolderCheckpoints:
    """Keeps checkpoints in one folder."""

    def __init__(self, folder: Path) -> None:
        """Use `folder`, which is made, for its owner alone, if it is missing."""
        with _disk_errors(folder, "made"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder

    def save_alignment(self, data: bytes) -> None:
        self._remove(self.epochs())  # a state of other slots must never be taken up again
        write_whole(self._folder / "alignment.ckpt", _wrap(data))

    def load_alignment(self) -> bytes | None:
        path = self._folder / "alignment.ckpt"
        return _unwrap(path) if path.exists() else None

    def save_epoch(self, epoch: int, data: bytes) -> None:
        write_whole(self._path(epoch), _wrap(data))
        # Later epochs are left over from training that was begun again since.
        recent = range(epoch - KEPT_EPOCHS + 1, epoch + 1)
        self._remove([held for held in self.epochs() if held not in recent])

    def epochs(self) -> tuple[int, ...]:
        with _disk_errors(self._folder, "listed"):
            names = [EPOCH_FILE.fullmatch(path.name) for path in self._folder.iterdir()]
        return tuple(sorted(int(name.group(1)) for name in names if name))

    def load_epoch(self, epoch: int) -> bytes:
        return _unwrap(self._path(epoch))

    def _path(self, epoch: int) -> Path:
        return self._folder / f"epoch-{epoch}.ckpt"

    def _remove(self, epochs: Iterable[int]) -> None:
        for path in map(self._path, epochs):
            with _disk_errors(path, "removed"):
                path.unlink(missing_ok=True)


def _wrap(data: bytes) -> bytes:
    return MAGIC + hashlib.sha256(data).digest() + data


def _unwrap(path: Path) -> bytes:
    with _disk_errors(path, "read"):
        content = path.read_bytes()
    start = len(MAGIC) + DIGEST_BYTES
    data = content[start:]
    if content[:start] != MAGIC + hashlib.sha256(data).digest():
        raise CheckpointError(f"{path} is damaged; remove it to go on without it")
    return data


def write_whole(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Put `data` at `path`, whole or not at all.

    Raises:
        CheckpointError: the disk refused, for want of space or of permission.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with _disk_errors(path, "written"):
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
    finally:
        with suppress(OSError):  # it has its new name, or was never made
            part.unlink()


@contextmanager
def _disk_errors(path: Path, done: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CheckpointError(f"{path} cannot be {done}: {error.strerror}") from error
