"""Publishing versions of an index to whoever reads the folder. See `recall.index.versions`."""

import fcntl
import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from recall.errors import CorruptIndexError, ForeignIndexError, ShapeError
from recall.index.disk import keep
from recall.index.faiss_index import FaissIndex
from recall.index.stored import (
    MANIFEST,
    About,
    StoredManifest,
    read_data,
    read_manifest,
    store_index,
)
from recall.index.versions import CURRENT, Pointer, folder_of, is_held, numbers

LOCK: Final = ".lock"
UNFINISHED: Final = ".new-"

_log = logging.getLogger(__name__)


class Publisher:
    """Publishes versions into one folder; several may, and then wait for one another.

    Args:
        root: the folder, which is made.
        keep: versions that stay on disk, the one that is served among them; those that readers
            hold stay beside them.

    Raises:
        ShapeError: `keep` is below 1.
        OSError: the folder cannot be made.
    """

    def __init__(self, root: Path, *, keep: int = 3) -> None:
        if keep < 1:
            raise ShapeError(f"at least 1 version must be kept, not {keep}")
        self._root, self._keep = root, keep
        root.mkdir(parents=True, exist_ok=True)

    def publish(self, index: FaissIndex, about: About | None = None) -> StoredManifest:
        """Put a new version in place of the one that is served.

        Returns:
            What was written beside it; its number is the version's.

        Raises:
            OSError: the disk refused; the version that was served still is.
        """
        with self._alone():
            number = max([*numbers(self._root), self._served_or_none()]) + 1
            work = Path(tempfile.mkdtemp(dir=self._root, prefix=UNFINISHED))
            try:
                manifest = store_index(index, work, about, number=number)
                work.chmod(0o755)  # mkdtemp lets nobody else read
                work.rename(folder_of(self._root, number))
            except BaseException:
                shutil.rmtree(work, ignore_errors=True)
                raise
            keep(self._root)
            self._serve(number)
            self._prune_or_say_why_not()
        return manifest

    def serve(self, number: int) -> None:
        """Go back, or forth, to a version that is on disk.

        Raises:
            ForeignIndexError: there is no such version.
            CorruptIndexError: it is not whole; what was served still is.
            OSError: the disk refused.
        """
        with self._alone():
            folder = folder_of(self._root, number)
            read_data(folder, read_manifest(folder))
            self._serve(number)

    def versions(self) -> list[StoredManifest]:
        """What is on disk, oldest first; what is damaged is left out.

        Raises:
            OSError: the folder cannot be read.
        """
        found = []
        for number in numbers(self._root):
            try:
                found.append(read_manifest(folder_of(self._root, number)))
            except ForeignIndexError:
                continue
        return found

    def prune(self) -> None:
        """Remove versions beyond those to be kept that no reader holds any more.

        Publishing does it too.

        Raises:
            OSError: the disk refused.
        """
        with self._alone():
            self._prune()

    def _prune_or_say_why_not(self) -> None:
        """The new version is served by now, so a disk that removes nothing is no failure."""
        try:
            self._prune()
        except OSError as error:
            _log.warning("%s: old versions stay until the next one: %s", self._root, error)

    def _serve(self, number: int) -> None:
        content = (folder_of(self._root, number) / MANIFEST).read_bytes()
        Pointer(version=number, manifest=hashlib.sha256(content).hexdigest()).write(self._root)

    def _served_or_none(self) -> int:
        """The version that is served; 0 when nothing ever was.

        Raises:
            CorruptIndexError: `CURRENT` is damaged. A number might be given twice.
        """
        if not (self._root / CURRENT).exists():
            return 0
        try:
            return Pointer.read(self._root).version
        except ForeignIndexError as error:
            raise CorruptIndexError(f"{error}; name a version that is on disk") from error

    def _prune(self) -> None:
        served = self._served_or_none()
        others = [number for number in numbers(self._root) if number != served]
        for number in others[: max(0, len(others) - self._keep + 1)]:
            folder = folder_of(self._root, number)
            if not is_held(folder):  # gone at once, or a killed publisher leaves half a version
                folder.rename(self._root / f"{UNFINISHED}{folder.name}")
        for left in self._root.glob(f"{UNFINISHED}*"):
            shutil.rmtree(left)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until nobody else publishes here."""
        handle = os.open(self._root / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
