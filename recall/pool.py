"""The candidates of several channels, each item once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt

from recall.candidates import NOTHING, Candidates

Ids = npt.NDArray[np.int64]

NOT_RECALLED = 0  # the rank of an item in a channel that does not have it


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """What all channels recalled for one user.

    Channels are in the order of their names, so that nothing depends on the order they came in.

    Args:
        channels: (channels,) their names, sorted.
        items: (n,) item numbers, ascending, each once.
        ranks: (n, channels) place in a channel's list, from 1; 0 where it does not have the item.
        scores: (n, channels) a channel's own scores; 0 where it does not have the item.
        lists: (channels,) what each channel recalled.
    """

    channels: tuple[str, ...]
    items: Ids = field(repr=False)
    ranks: npt.NDArray[np.int32] = field(repr=False)
    scores: npt.NDArray[np.float32] = field(repr=False)
    lists: tuple[Candidates, ...] = field(repr=False)

    @classmethod
    def of(cls, lists: Mapping[str, Candidates], excluded: Ids | None = None) -> Self:
        """Put lists together; an item that a channel gives twice counts where it came first.

        Args:
            lists: channel → its candidates, best first.
            excluded: items to leave out before ranks are counted.
        """
        channels = tuple(sorted(lists))
        kept = tuple(_without(lists[name], excluded) for name in channels)
        lengths = [len(each) for each in kept]
        every = np.concatenate([NOTHING.items, *(each.items for each in kept)])
        items, row = np.unique(every, return_inverse=True)
        column = np.repeat(np.arange(len(kept)), lengths)
        places = [np.empty(0, np.int64), *(np.arange(1, n + 1) for n in lengths)]
        # Backwards, since of several values for one place numpy keeps the last; copied, since a
        # view that is read backwards may be turned round again.
        back = np.arange(len(every))[::-1].copy()
        ranks = np.zeros((len(items), len(kept)), dtype=np.int32)
        scores = np.zeros((len(items), len(kept)), dtype=np.float32)
        ranks[row[back], column[back]] = np.concatenate(places)[back]
        given = np.concatenate([NOTHING.scores, *(each.scores for each in kept)])
        scores[row[back], column[back]] = given[back]
        return cls(channels, items, ranks, scores, kept)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def recalled(self) -> npt.NDArray[np.bool_]:
        """(n, channels) whether a channel has an item."""
        return np.asarray(self.ranks != NOT_RECALLED)

    def reason(self, row: int, column: int) -> str:
        """Why a channel recalled an item; empty if it did not or does not say."""
        rank, reasons = int(self.ranks[row, column]), self.lists[column].reasons
        return reasons[rank - 1] if rank and reasons else ""


def _without(candidates: Candidates, excluded: Ids | None) -> Candidates:
    return candidates if excluded is None or not len(excluded) else candidates.without(excluded)
