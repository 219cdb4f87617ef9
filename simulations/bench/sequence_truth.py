"""How likely a user's next new song is to be listed, in a made world whose truth is known.

One held-out song a user says little: it is found or not, by chance. The truth says how likely
every song is to be played next, so the share of it that a list holds is the hit rate that one
would see with endless held-out songs, were it not for runs of one artist, which it leaves out.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from towers.features import Floats as Floats32
from towers.ranking import best_scores

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_BLOCK: Final = 256  # users at a time


def expected_hits(
    queries: Sequence[Floats32],
    vectors: Floats32,
    *,
    seen: Sequence[Ids],
    chances: Callable[[Ids], Floats],
    top_k: int,
) -> Floats:
    """How likely each user's next new song is among the best `top_k` that the user has not seen.

    Args:
        queries: (interests, dim) of each user.
        vectors: (items, dim).
        seen: items of each user; not all of the catalogue.
        chances: rows of users → (rows, items) how likely each is to play each item.
        top_k: length of a list, below the number of items.

    Returns:
        (users,) in [0, 1].
    """
    found = np.empty(len(queries))
    for start in range(0, len(queries), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(queries)))
        block = slice(start, start + _BLOCK)
        scores, likely = best_scores(queries[block], vectors), chances(rows).copy()
        owner = np.repeat(rows - start, [len(items) for items in seen[block]])
        if len(owner):
            known = owner, np.concatenate(seen[block])
            scores[known], likely[known] = -np.inf, 0.0
        listed = np.argpartition(-scores, top_k, axis=1)[:, :top_k]
        found[rows] = np.take_along_axis(likely, listed, axis=1).sum(axis=1) / likely.sum(axis=1)
    return found
