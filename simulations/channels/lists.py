"""What channels recalled for many users, between the task that asks and the one that fuses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from parties.archive import pack_arrays, unpack_arrays
from parties.checkpoints import write_whole
from parties.errors import CheckpointError
from recall import Candidates, Channel, Query, fetch
from recall.metrics import NO_ITEM
from simulations.errors import RunFolderError

Ids = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float32]
FILE: Final = "channels.lists"
USERS: Final = "users"


@dataclass(frozen=True, slots=True, eq=False)
class Recalled:
    """One channel's lists.

    Args:
        items: (users, k) best first, -1 behind the end of a short list.
        scores: (users, k) in the channel's own unit; 0 behind the end.
    """

    items: Ids
    scores: Scores

    @classmethod
    def by(cls, channel: Channel, queries: Sequence[Query], k: int) -> "Recalled":
        """Ask a channel for every query; nothing that a query excludes is in its list."""
        items = np.full((len(queries), k), NO_ITEM, dtype=np.int64)
        scores = np.zeros((len(queries), k), dtype=np.float32)
        # One list at a time: the reasons of all users' lists would not fit into memory.
        for row, query in enumerate(queries):
            found = fetch(channel, query, k)
            items[row, : len(found)], scores[row, : len(found)] = found.items, found.scores
        return cls(items, scores)

    def candidates(self, row: int) -> Candidates:
        """One user's list."""
        size = int((self.items[row] != NO_ITEM).sum())
        return Candidates(self.items[row, :size], self.scores[row, :size])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChannelLists:
    """What every channel recalled for the same users.

    Args:
        users: (users,) their numbers, ascending.
        lists: channel → what it recalled for them.
    """

    users: Ids = field(repr=False)
    lists: Mapping[str, Recalled] = field(repr=False)

    def of(self, user: int) -> dict[str, Candidates]:
        """Channel → one user's list."""
        row = int(np.searchsorted(self.users, user))
        return {name: recalled.candidates(row) for name, recalled in self.lists.items()}

    def save(self, folder: Path) -> None:
        """Write them whole or not at all."""
        arrays: dict[str, npt.NDArray[Any]] = {USERS: self.users}
        for name, recalled in self.lists.items():
            arrays |= {f"items/{name}": recalled.items, f"scores/{name}": recalled.scores}
        write_whole(folder / FILE, pack_arrays(arrays))

    @classmethod
    def load(cls, folder: Path) -> "ChannelLists":
        """Read what `save` wrote.

        Raises:
            RunFolderError: it is missing or damaged.
        """
        arrays = read_arrays(folder / FILE)
        names = [key.removeprefix("items/") for key in arrays if key.startswith("items/")]
        lists = {
            name: Recalled(arrays[f"items/{name}"], arrays[f"scores/{name}"]) for name in names
        }
        return cls(users=arrays[USERS], lists=lists)


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Arrays that a task left for a later one.

    Raises:
        RunFolderError: they are missing or damaged.
    """
    try:
        return unpack_arrays(path.read_bytes())
    except (OSError, CheckpointError) as error:
        raise RunFolderError(
            f"{path} is missing or damaged: remove the results of its split, so that its tasks "
            "are done again"
        ) from error
