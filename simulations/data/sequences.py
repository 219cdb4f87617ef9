"""Histories of the leave-one-out protocol: one user a line, items in order of time.

Source: Zhou et al., S3-Rec (CIKM 2020), whose published files have this form and whose protocol
this is: the last item is tested, the one before tells when to stop.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from simulations.errors import DataSetDamagedError, DataSetMissingError

Ids = npt.NDArray[np.int64]
MIN_ITEMS = 3  # one to know, one to stop by, one to test


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sequences:
    """Histories, as a file or a made world has them.

    Args:
        name: of the file, without its suffix.
        histories: item numbers 0 … items-1 of each user, oldest first, at least three.
        items: how many different items there are.
        groups: (users,) who belongs to each group that is judged apart as well.
        chances: rows of users → (rows, items) how likely each is to play each item, where a truth
            is known.
    """

    name: str
    histories: tuple[Ids, ...] = field(repr=False)
    items: int
    groups: Mapping[str, npt.NDArray[np.bool_]] = field(default_factory=dict, repr=False)
    chances: Callable[[Ids], npt.NDArray[np.float64]] | None = field(default=None, repr=False)

    @property
    def interactions(self) -> int:
        """Items of all histories together."""
        return sum(len(history) for history in self.histories)

    def split(self) -> tuple[list[Ids], Ids]:
        """Everybody's history without its last item, and the (users,) last items."""
        known = [history[:-1] for history in self.histories]
        return known, np.array([history[-1] for history in self.histories], dtype=np.int64)


def read_sequences(path: Path) -> Sequences:
    """Read a file of lines `user item item item …`, numbers with blanks between them.

    Items are numbered anew, in the order of their numbers, so that none is missing.

    Raises:
        DataSetMissingError: there is no such file.
        DataSetDamagedError: a line is not as described; the message names file and line.
    """
    if not path.is_file():
        raise DataSetMissingError(f"{path} does not exist; give a file of sequences")
    histories = [*_histories(path)]
    if not histories:
        raise DataSetDamagedError(f"{path} is empty: it needs one user a line")
    known, numbered = np.unique(np.concatenate(histories), return_inverse=True)
    ends = np.cumsum([len(history) for history in histories])
    renumbered = np.split(numbered.astype(np.int64), ends[:-1])
    return Sequences(name=path.stem, histories=tuple(renumbered), items=len(known))


def _histories(path: Path) -> Iterator[Ids]:
    users: set[str] = set()
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            user, *items = line.split() or [""]
            if user in users:
                raise DataSetDamagedError(f"{path}, line {number}: user {user} came before")
            users.add(user)
            yield _items(items, f"{path}, line {number}")


def _items(words: list[str], place: str) -> Ids:
    if len(words) < MIN_ITEMS:
        raise DataSetDamagedError(
            f"{place}: {len(words)} items, but a history needs {MIN_ITEMS} at least"
        )
    for word in words:
        # int() would take signs, underscores and digits of other scripts.
        if not (word.isascii() and word.isdigit() and len(word) <= 18):
            raise DataSetDamagedError(f"{place}: {word[:40]!r} is no item number")
    return np.array(words, dtype=np.int64)
