"""A party's tables as the arrays that its session works on."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from parties.data import ItemData, PartnerData
from parties.errors import DataError
from parties.tables.features import FeatureFrame
from parties.tables.item_party import ItemTables
from parties.tables.matrix import to_features
from parties.tables.partner import PartnerTable
from towers.features import Features

Ids = npt.NDArray[np.int64]
MAX_SEGMENTS = 12  # categories of a user column that is still worth a cohort each


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemListening:
    """Who listened to what, and what the item party knows, by number.

    Args:
        users: (n,) the item party's users, sorted.
        items: (m,) songs, sorted.
        weights: (n, m) plays, seconds or whatever `weight` counts; above 0 where a user listened.
        own: n rows of the item party's own features, or None.
        songs: m rows of song features, or None.
        entry_points: (n,) where most of a user's plays began; empty text if unknown.
        segments: (n,) a category the item party knows of a user; empty text if unknown.
        heard_at: (n, m) Unix seconds of the last play, where `weights` has an entry; None if the
            events have no times.
    """

    users: Sequence[str] = field(repr=False)
    items: Sequence[str] = field(repr=False)
    weights: sp.csr_array = field(repr=False)
    own: Features | None = field(repr=False)
    songs: Features | None = field(repr=False)
    entry_points: npt.NDArray[np.str_] = field(repr=False)
    segments: npt.NDArray[np.str_] = field(repr=False)
    heard_at: sp.csr_array | None = field(default=None, repr=False)

    def item_data(self, hidden: Ids) -> ItemData:
        """What the item party brings when the listening of some users is hidden from it."""
        shown = np.ones(len(self.users), np.float32)
        shown[hidden] = 0
        return self.showing(sp.csr_array(sp.diags_array(shown) @ self.weights))

    def showing(self, weights: sp.csr_array) -> ItemData:
        """What the item party brings when it knows (n, m) `weights` and no other listening."""
        listening = sp.csr_array(weights, dtype=np.float32)
        listening.eliminate_zeros()
        # The last bits of sums follow this order, and callers come with orders of their own.
        listening.sort_indices()
        return ItemData(users=self.users, listening=listening, own=self.own, songs=self.songs)


def item_listening(tables: ItemTables) -> ItemListening:
    """Number users and songs of the item party's tables.

    Raises:
        DataError: nobody listened to anything.
    """
    events = heard(tables.events)
    if events.empty:
        raise DataError("no event is left to learn from: every one was skipped or weighs nothing")
    users = sorted({*events["user_id"], *(tables.users.ids if tables.users else ())})
    items = sorted({*events["item_id"], *(tables.items.ids if tables.items else ())})
    return ItemListening(
        users=users,
        items=items,
        weights=_weights(events, users, items),
        own=_features(tables.users, users),
        songs=_features(tables.items, items),
        entry_points=_most_frequent(events, "entry_point", users),
        segments=_segments(tables, users),
        heard_at=_last_times(events, users, items),
    )


def partner_data(table: PartnerTable) -> PartnerData:
    """What a partner's table brings to a session."""
    return PartnerData(table.user_ids, _required(table.features, table.user_ids))


def heard(events: pd.DataFrame) -> pd.DataFrame:
    """Events that speak for a song: not skipped, and of a weight above 0."""
    kept = np.ones(len(events), dtype=bool)
    if "skipped" in events:
        kept &= ~events["skipped"].to_numpy(dtype=bool, na_value=False)
    if "weight" in events:
        kept &= events["weight"].to_numpy(dtype=float) > 0
    return events[kept]


def places(events: pd.DataFrame, users: Sequence[str], items: Sequence[str]) -> tuple[Ids, Ids]:
    """(events,) the number of every event's user, and of its song; -1 for one that has none."""
    rows = pd.Index(users).get_indexer(pd.Index(events["user_id"]))
    columns = pd.Index(items).get_indexer(pd.Index(events["item_id"]))
    return rows.astype(np.int64), columns.astype(np.int64)


def _weights(events: pd.DataFrame, users: Sequence[str], items: Sequence[str]) -> sp.csr_array:
    """(n, m) listened seconds if they are known, else the given weights, else plays."""
    amount = np.ones(len(events))
    if "weight" in events:
        amount = events["weight"].to_numpy(dtype=float)
    elif "played_seconds" in events:
        seconds = events["played_seconds"].to_numpy(dtype=float)
        amount = np.maximum(np.nan_to_num(seconds, nan=1.0), 1.0)
    matrix = sp.coo_array((amount, places(events, users, items)), shape=(len(users), len(items)))
    return sp.csr_array(matrix, dtype=np.float64)


def _last_times(
    events: pd.DataFrame, users: Sequence[str], items: Sequence[str]
) -> sp.csr_array | None:
    """(n, m) when each user last heard each song, or None when events have no times."""
    if "timestamp" not in events:
        return None
    rows, columns = places(events, users, items)
    order = np.lexsort((events["timestamp"].to_numpy(dtype=float), columns, rows))
    rows, columns = rows[order], columns[order]
    last = np.append((np.diff(rows) != 0) | (np.diff(columns) != 0), True)
    times = events["timestamp"].to_numpy(dtype=float)[order][last]
    shape = (len(users), len(items))
    return sp.csr_array(sp.coo_array((times, (rows[last], columns[last])), shape=shape))


def _features(frame: FeatureFrame | None, ids: Sequence[str]) -> Features | None:
    """None also when nothing in the table tells two rows apart from the rest, as names do not."""
    if frame is None:
        return None
    features = _required(frame, ids)
    return features if features.known().any() else None


def _required(frame: FeatureFrame, ids: Sequence[str]) -> Features:
    matrix = to_features(frame, ids)
    return Features(multi_hot=matrix.multi_hot, dense=matrix.dense)


def _most_frequent(
    events: pd.DataFrame, column: str, users: Sequence[str]
) -> npt.NDArray[np.str_]:
    if column not in events:
        return np.full(len(users), "", dtype=np.str_)
    counts = events.dropna(subset=[column]).groupby(["user_id", column]).size()
    best = counts.sort_values(ascending=False, kind="stable").reset_index()
    first = best.drop_duplicates("user_id").set_index("user_id")[column]
    return first.reindex(pd.Index(users)).fillna("").to_numpy(dtype=np.str_)


def _segments(item: ItemTables, users: Sequence[str]) -> npt.NDArray[np.str_]:
    """The first column of the item party's user table with few categories."""
    empty = np.full(len(users), "", dtype=np.str_)
    if item.users is None:
        return empty
    for name, kind in item.users.kinds.items():
        values = item.users.table[name]
        if kind.value == "categorical" and values.nunique() <= MAX_SEGMENTS:
            by_user = pd.Series(values.to_numpy(), index=item.users.ids)
            return by_user.reindex(pd.Index(users)).fillna("").to_numpy(dtype=np.str_)
    return empty


def cold_users(weights: sp.csr_array, share: float, *, seed: int) -> Ids:
    """(cold,) ascending numbers of a seeded share of listeners, whose history is to be hidden.

    Args:
        weights: (n, m) who listened to what.
        share: of the listeners.
        seed: the same one always gives the same users.
    """
    listeners = np.flatnonzero(np.diff(weights.indptr))
    order = np.random.default_rng(seed).permutation(listeners)
    return np.sort(order[: int(len(listeners) * share)]).astype(np.int64)
