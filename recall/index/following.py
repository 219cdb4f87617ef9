"""A reader that goes on to the newest version of a published index while it serves."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from recall.errors import IndexFileError
from recall.index.arrays import Ids, Vectors
from recall.index.stored import StoredManifest
from recall.index.versions import OpenVersion, Pointer, open_current

RETRY_S: Final = 60.0  # after which a version that could not be read is read again

_log = logging.getLogger(__name__)


class FollowingIndex:
    """Serves the version it has until `refresh` has a newer one whole.

    Every answer comes from one version. `refresh` is for a thread of its own (see `following`): a
    search never waits for it.

    Args:
        root: the folder that a `Publisher` publishes into.
        threads: OpenMP threads of a search.
        mapped: see `load_index`.

    Raises:
        ForeignIndexError: the folder holds no published index.
        CorruptIndexError: the version that is served is not whole.
    """

    def __init__(self, root: Path, *, threads: int = 1, mapped: bool = True) -> None:
        self._root, self._threads, self._mapped = root, threads, mapped
        self._refreshing = threading.Lock()
        self._open = open_current(root, threads=threads, mapped=mapped)
        self._trouble: str | None = None
        self._refused: Pointer | None = None
        self._again_at = 0.0  # on the monotonic clock, when the refused one may be tried

    @property
    def version(self) -> StoredManifest:
        """What is served now."""
        return self._open.manifest

    @property
    def trouble(self) -> str | None:
        """Why the newest version is not the one that is served; None when it is."""
        return self._trouble

    @property
    def held(self) -> OpenVersion:
        """The version that is served now, for several calls that must agree."""
        return self._open

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        return self._open.index.dim

    @property
    def count(self) -> int:
        """Items in the index."""
        return self._open.index.count

    def search(self, queries: Vectors, k: int) -> tuple[Ids, Vectors]:
        """See `Index.search`."""
        held = self._open  # another thread may put a newer one here meanwhile
        return held.index.search(queries, k)

    def refresh(self) -> bool:
        """Go on to the newest version, if there is one: a small file is read to see that.

        A version that cannot be used is logged, kept in `trouble`, and not read again for a minute
        unless another is published; the one that is served stays.

        Returns:
            Whether another version is served now.
        """
        with self._refreshing:
            try:
                return self._go_on(Pointer.read(self._root))
            except (IndexFileError, OSError, MemoryError) as error:
                self._note(f"version {self.version.number} stays: {error}")
                return False

    def _go_on(self, pointer: Pointer) -> bool:
        if pointer == self._open.pointer:
            self._refused = self._trouble = None
            return False
        if pointer == self._refused and time.monotonic() < self._again_at:
            return False
        self._refused, self._again_at = pointer, time.monotonic() + RETRY_S
        self._open = open_current(self._root, threads=self._threads, mapped=self._mapped)
        self._refused = self._trouble = None
        _log.info("%s: version %d is served", self._root, self.version.number)
        return True

    @contextmanager
    def following(self, every_s: float) -> Iterator[None]:
        """Refresh in a thread of its own until the block ends.

        Args:
            every_s: seconds between two looks.
        """
        over = threading.Event()
        thread = threading.Thread(target=self._follow, args=(every_s, over), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _follow(self, every_s: float, over: threading.Event) -> None:
        while not over.wait(every_s):
            self.refresh()

    def _note(self, trouble: str) -> None:
        if trouble != self._trouble:
            _log.warning("%s: %s", self._root, trouble)
        self._trouble = trouble
