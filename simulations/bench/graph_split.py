"""Warm users: a seeded share of what each of them listened to is hidden, and asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from federation.errors import SettingError
from parties.listening import ItemListening, heard, places
from recall import Channel, Query, fetch, ranked_rows
from simulations.histories import in_order, played
from simulations.holdout import hide_songs
from simulations.pairs import pairs_of, without

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
        return pairs_of(self.hidden, self.users, self.items)

    @cached_property
    def histories(self) -> list[Ids]:
        """Every user's plays that may be seen, the oldest first; without times the fewest first.

        A song that was played again and again stands there as often.
        """
        shown = heard(self.events)
        by = next((name for name in ("timestamp", "weight") if name in shown), None)
        when = shown[by].to_numpy(np.float64) if by else np.zeros(len(shown))
        return in_order(*places(shown, self.users, self.items), when, users=len(self.users))

    def ranked(self, channel: Channel, users: Ids, k: int) -> Ids:
        """What a channel recalls for some users without what they have: (users, k), -1 behind."""
        queries = [
            Query(history=self.histories[user], excluded=played(self.visible, user))
            for user in users.tolist()
        ]
        return ranked_rows([fetch(channel, query, k).items for query in queries], k)


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
    visible, hidden = hide_songs(_seen(listening, events), share, np.random.default_rng(seed))
    if not hidden.nnz:
        raise SettingError(f"no user has songs enough to hide a share of {share} of them")
    pairs = pairs_of(hidden, listening.users, listening.items)
    return WarmSplit(
        users=listening.users,
        items=listening.items,
        events=without(events, pairs).reset_index(drop=True),
        visible=visible,
        hidden=hidden,
    )


def _seen(listening: ItemListening, events: pd.DataFrame) -> sp.csr_array:
    """The listening of which there are events."""
    entries = places(heard(events), listening.users, listening.items)
    there = sp.csr_array(
        sp.coo_array((np.ones(len(entries[0])), entries), listening.weights.shape)
    )
    kept = sp.csr_array(listening.weights * (there > 0))
    kept.sort_indices()
    return kept
