"""Warm users: a share of each one's songs is hidden, and channels are asked for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from recall import Candidates, Query, has_truth, ranked_rows, user_metrics
from recall.plays import listener_counts
from simulations.data import LoadedData
from simulations.histories import histories
from simulations.holdout import hide_songs
from simulations.knowledge import Shown
from simulations.listening import Listening
from simulations.pairs import pairs_of

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
        tags: (tags, items) how many gave a song a tag, without the tags that a user gave to a song
            hidden from it; None if the data have no tags. Rows are those of this split alone.
        titles: (items,) for reasons.
    """

    known: sp.csr_array = field(repr=False)
    hidden: sp.csr_array = field(repr=False)
    tags: sp.csr_array | None = field(repr=False)
    titles: Sequence[str] = field(repr=False)

    def queries(self) -> list[Query]:
        """What is known of every user; the least played song first, for want of times."""
        return [Query(history=songs, excluded=songs) for songs in histories(self.known)]

    def popularity(self) -> npt.NDArray[np.float64]:
        """(items,) listeners that are seen."""
        return listener_counts(self.known)

    def judge(self, lists: Sequence[Candidates]) -> Mapping[str, float]:
        """Mean measures of one list for every user, over those from whom songs are hidden."""
        asked = has_truth(self.hidden)
        ranked = ranked_rows([each.items for each in lists], max(CUTOFFS))[asked]
        found = user_metrics(ranked, self.hidden[asked], cutoffs=CUTOFFS)
        return {name: float(found[name].mean()) for name in MEASURES}


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
    visible, test = hide_songs(listening.weights, share, rng)
    known, validation = hide_songs(visible, VALIDATION_PART * share, rng)
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


def _tags(data: LoadedData, listening: Listening, hidden: sp.csr_array) -> sp.csr_array | None:
    """(tags, items) how many gave a song a tag, without those from whom the song is hidden."""
    if data.tags is None:
        return None
    shown = Shown(
        warm_users=listening.users, hidden=pairs_of(hidden, listening.users, listening.items)
    )
    given = shown.tags(data.tags)
    item = pd.Index(listening.items).get_indexer(pd.Index(given["item_id"]))
    tag, names = pd.factorize(given["tag"])
    known = item >= 0
    places = (tag[known], item[known])
    shape = (len(names), len(listening.items))
    return sp.csr_array(sp.coo_array((np.ones(len(places[0])), places), shape=shape))
