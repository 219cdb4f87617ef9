"""Warm users: a seeded share of what each of them listened to is hidden, and asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from federation.errors import SettingError
from parties.listening import ItemListening, heard
from recall.channels import Channel, fetch
from recall.metrics import NO_ITEM
from recall.query import Query

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class WarmSplit:
    """What a model may see of warm users, and what it is tested on.

    Args:
        users: (n,) user ids.
        items: (m,) item ids.
        events: what may be seen: no event of a hidden pair, skipped or not.
        visible: (n, m) weights of the listening that may be seen.
        hidden: (n, m) weights of the rest; users with too few songs have none.
    """

    users: Sequence[str] = field(repr=False)
    items: Sequence[str] = field(repr=False)
    events: pd.DataFrame = field(repr=False)
    visible: sp.csr_array = field(repr=False)
    hidden: sp.csr_array = field(repr=False)

    @cached_property
    def tested(self) -> Ids:
        """Numbers of the users who have something hidden."""
        return np.flatnonzero(np.diff(self.hidden.indptr)).astype(np.int64)

    @cached_property
    def hidden_pairs(self) -> pd.DataFrame:
        """user_id and item_id of what is hidden."""
        rows, columns = self.hidden.tocoo().coords
        users, items = np.asarray(self.users)[rows], np.asarray(self.items)[columns]
        return pd.DataFrame({"user_id": users, "item_id": items})

    @cached_property
    def histories(self) -> Mapping[int, Ids]:
        """User number → songs that may be seen, oldest play first.

        Without times the most played song comes last.
        """
        shown = heard(self.events)
        user = pd.Index(self.users).get_indexer(pd.Index(shown["user_id"]))
        song = pd.Index(self.items).get_indexer(pd.Index(shown["item_id"])).astype(np.int64)
        by = next((name for name in ("timestamp", "weight") if name in shown), None)
        when = shown[by].to_numpy(np.float64) if by else np.zeros(len(shown))
        order = np.lexsort((when, user))
        starts = np.searchsorted(user[order], np.arange(len(self.users) + 1))
        return {
            number: song[order[first:stop]]
            for number, (first, stop) in enumerate(pairwise(starts))
        }

    def ranked(self, channel: Channel, users: Ids, k: int) -> Ids:
        """What a channel recalls for some users without what they have: (users, k), -1 behind."""
        lists = np.full((len(users), k), NO_ITEM, dtype=np.int64)
        bounds = self.visible.indptr
        for row, user in enumerate(users):
            known = self.visible.indices[bounds[user] : bounds[user + 1]].astype(np.int64)
            query = Query(history=self.histories[int(user)], excluded=known)
            found = fetch(channel, query, k).items
            lists[row, : len(found)] = found
        return lists


def hide_items(
    listening: ItemListening, events: pd.DataFrame, share: float, *, seed: int
) -> WarmSplit:
    """Hide a share of each user's songs, rounded down, at random.

    Args:
        listening: who listened to what.
        events: the events behind it, or fewer: songs hidden before stay out.
        share: in (0, 1).
        seed: the same one always hides the same songs.

    Raises:
        SettingError: nobody has songs enough for the share.
    """
    weights = _seen(listening, events)
    rows, columns = weights.tocoo().coords
    luck = np.random.default_rng(seed).random(len(rows))
    order = np.lexsort((luck, rows))
    place = np.arange(len(rows)) - weights.indptr[:-1][rows[order]]
    hidden = np.zeros(len(rows), dtype=bool)
    hidden[order] = place < np.floor(share * np.diff(weights.indptr)[rows[order]])
    if not hidden.any():
        raise SettingError(f"no user has songs enough to hide a share of {share} of them")
    songs = len(listening.items)
    keys = rows[hidden].astype(np.int64) * songs + columns[hidden]
    user = pd.Index(listening.users).get_indexer(pd.Index(events["user_id"]))
    song = pd.Index(listening.items).get_indexer(pd.Index(events["item_id"]))
    return WarmSplit(
        users=listening.users,
        items=listening.items,
        events=events[~np.isin(user * songs + song, keys)].reset_index(drop=True),
        visible=_only(weights, ~hidden),
        hidden=_only(weights, hidden),
    )


def _seen(listening: ItemListening, events: pd.DataFrame) -> sp.csr_array:
    """The listening of which there are events."""
    shown = heard(events)
    user = pd.Index(listening.users).get_indexer(pd.Index(shown["user_id"]))
    song = pd.Index(listening.items).get_indexer(pd.Index(shown["item_id"]))
    there = sp.csr_array(sp.coo_array((np.ones(len(user)), (user, song)), listening.weights.shape))
    there.sum_duplicates()
    kept = sp.csr_array(listening.weights * (there > 0))
    kept.sort_indices()
    return kept


def _only(weights: sp.csr_array, kept: npt.NDArray[np.bool_]) -> sp.csr_array:
    """The entries of a matrix that are kept."""
    rows, columns = weights.tocoo().coords
    entries = (weights.data[kept], (rows[kept], columns[kept]))
    return sp.csr_array(sp.coo_array(entries, shape=weights.shape))
