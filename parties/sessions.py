"""Sessions of an item party's events."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from parties.listening import heard
from towers.sessions import Sessions

GAP_S = 30 * 60  # a pause this long ends a session


def sessions_of(events: pd.DataFrame, items: Sequence[str], *, gap_s: float = GAP_S) -> Sessions:
    """What was played together, without what was skipped.

    Events with a time make a session of every run of a user's plays without a pause longer than
    `gap_s`. Without a time there is no order and no pause: each user's songs, every one once,
    are one session.

    Args:
        events: as `ItemTables.events`; songs that are not in `items` are left out.
        items: item ids in the order of their numbers.
        gap_s: seconds.
    """
    shown = heard(events)
    song = pd.Index(items).get_indexer(pd.Index(shown["item_id"]))
    user, _ = pd.factorize(shown["user_id"], sort=True)
    known = song >= 0
    if "timestamp" not in shown:
        pairs = np.unique(np.stack([user[known], song[known]]), axis=1)
        return Sessions.of(pairs[1], pairs[0], count=len(items), ordered=False)
    time = shown["timestamp"].to_numpy(np.float64)[known]
    song, user = song[known], user[known]
    order = np.lexsort((time, user))
    song, user, time = song[order], user[order], time[order]
    begins = (np.diff(user, prepend=-1) != 0) | (np.diff(time, prepend=-np.inf) > gap_s)
    return Sessions.of(song.astype(np.int64), np.cumsum(begins), count=len(items))
