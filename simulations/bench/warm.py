"""Warm users: a share of each one's songs is hidden, and channels are asked for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from recall import Candidates, Query, has_truth, user_metrics
from recall.metrics import NO_ITEM
from simulations.data import LoadedData
from simulations.listening import Listening

Ids = npt.NDArray[np.int64]

CUTOFFS = (20, 50)
# Part of the hidden share that is hidden again to choose and fit on: enough songs to learn from,
# and few enough that channels then know nearly as much as when they are judged.
VALIDATION_PART = 0.5
MEASURES = ("recall@20", "ndcg@20", "recall@50")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Warm:
    """What channels may learn from, and what they are asked for.

    Args:
        known: (users, items) plays that channels see.
        hidden: (users, items) plays that they are asked for.
        tags: (tags, items) 1 where somebody gave a song a tag, without the tags that a user gave
            to a song hidden from it; None if the data have no tags.
        titles: (items,) for reasons.
    """

    known: sp.csr_array = field(repr=False)
    hidden: sp.csr_array = field(repr=False)
    tags: sp.csr_array | None = field(repr=False)
    titles: Sequence[str] = field(repr=False)

    def queries(self) -> list[Query]:
        """What is known of every user; the least played song first, for want of times."""
        queries = []
        for user in range(self.known.shape[0]):
            own = slice(self.known.indptr[user], self.known.indptr[user + 1])
            songs = self.known.indices[own].astype(np.int64)
            by_plays = songs[np.argsort(self.known.data[own], kind="stable")]
            queries.append(Query(history=by_plays, excluded=songs))
        return queries

    def played(self, user: int) -> Ids:
        """Songs hidden from a user."""
        hidden = self.hidden.indices[self.hidden.indptr[user] : self.hidden.indptr[user + 1]]
        return np.asarray(hidden, dtype=np.int64)

    def popularity(self) -> npt.NDArray[np.float64]:
        """(items,) listeners that are seen."""
        listeners = np.bincount(self.known.indices, minlength=self.known.shape[1])
        return listeners.astype(np.float64)

    def judge(self, lists: Sequence[Candidates]) -> Mapping[str, float]:
        """Mean measures of one list for every user, over those from whom songs are hidden."""
        asked = has_truth(self.hidden)
        ranked = ranked_rows(lists, max(CUTOFFS))[asked]
        found = user_metrics(ranked, self.hidden[asked], cutoffs=CUTOFFS)
        return {name: float(found[name].mean()) for name in MEASURES}


def ranked_rows(lists: Sequence[Candidates], k: int) -> Ids:
    """(lists, k) item numbers, filled up with -1."""
    rows = np.full((len(lists), k), NO_ITEM, dtype=np.int64)
    for row, each in zip(rows, lists, strict=True):
        best = each.best(k)
        row[: len(best)] = best.items
    return rows


def hide(
    plays: sp.csr_array, share: float, rng: np.random.Generator
) -> tuple[sp.csr_array, sp.csr_array]:
    """Draw a share of every user's songs, rounded down.

    Args:
        plays: (users, items) positive.
        share: between 0 and 1.
        rng: of the draws.

    Returns:
        What is left and what was drawn, each (users, items).
    """
    lengths = np.diff(plays.indptr)
    user = np.repeat(np.arange(plays.shape[0]), lengths)
    order = np.lexsort((rng.random(plays.nnz), user))
    place = np.empty(plays.nnz, dtype=np.int64)
    place[order] = np.arange(plays.nnz) - plays.indptr[user]
    drawn = place < np.floor(lengths * share)[user]
    return _entries(plays, user, ~drawn), _entries(plays, user, drawn)


def warm_splits(
    data: LoadedData, listening: Listening, *, share: float, seed: int
) -> tuple[Warm, Warm]:
    """A split to choose and fit on, and one to judge on.

    The second hides a share of every user's songs; the first half as large a share of what the
    second leaves, and knows nothing of what the second hides.

    Args:
        data: the tables behind `listening`, for their tags.
        listening: who listened to what.
        share: of each user's songs.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    visible, test = hide(listening.weights, share, rng)
    known, validation = hide(visible, VALIDATION_PART * share, rng)
    return (
        Warm(
            known=known,
            hidden=validation,
            tags=_tags(data, listening, test + validation),
            titles=listening.items,
        ),
        Warm(
            known=visible,
            hidden=test,
            tags=_tags(data, listening, test),
            titles=listening.items,
        ),
    )


def _entries(plays: sp.csr_array, user: Ids, kept: npt.NDArray[np.bool_]) -> sp.csr_array:
    places = (user[kept], plays.indices[kept])
    return sp.csr_array((plays.data[kept], places), shape=plays.shape)


def _tags(data: LoadedData, listening: Listening, hidden: sp.csr_array) -> sp.csr_array | None:
    """(tags, items); whoever tagged a song very likely played it, so such tags are hidden too."""
    if data.tags is None:
        return None
    user = pd.Index(listening.users).get_indexer(pd.Index(data.tags["user_id"]))
    item = pd.Index(listening.items).get_indexer(pd.Index(data.tags["item_id"]))
    tag, names = pd.factorize(data.tags["tag"])
    pairs = sp.coo_array(hidden)
    hidden_keys = pairs.row.astype(np.int64) * hidden.shape[1] + pairs.col
    shown = (user >= 0) & (item >= 0)
    shown &= ~np.isin(user.astype(np.int64) * hidden.shape[1] + item, hidden_keys)
    counts = sp.coo_array(
        (np.ones(int(shown.sum())), (tag[shown], item[shown])), shape=(len(names), hidden.shape[1])
    )
    return sp.csr_array(counts)
