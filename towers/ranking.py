"""Where a wanted item stands among all items, for users with one or several query vectors."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from towers.errors import FeatureError
from towers.features import Floats

Ids = npt.NDArray[np.int64]
_BLOCK = 256  # users scored at a time


def target_ranks(
    queries: Sequence[Floats], vectors: Floats, *, seen: Sequence[Ids], targets: Ids
) -> Ids:
    """Rank one item of each user among all that the user has not seen.

    An item's score is its best inner product with any of the user's vectors. Items as good as
    the target stand before it, so a model that cannot tell items apart gains nothing.

    Args:
        queries: (interests, dim) of each user.
        vectors: (items, dim).
        seen: items of each user that are left out; the target never is.
        targets: (users,) the wanted items.

    Returns:
        (users,) ranks, 0 for the best.

    Raises:
        FeatureError: the arguments do not have one entry a user.
    """
    if not len(queries) == len(seen) == len(targets):
        raise FeatureError("queries, seen and targets must have one entry a user")
    ranks = np.empty(len(targets), dtype=np.int64)
    for start in range(0, len(targets), _BLOCK):
        block = slice(start, start + _BLOCK)
        scores = best_scores(queries[block], vectors)
        rows = np.arange(len(scores))
        own = scores[rows, targets[block]]
        owner = np.repeat(rows, [len(items) for items in seen[block]])
        if len(owner):
            scores[owner, np.concatenate(seen[block])] = -np.inf
        scores[rows, targets[block]] = -np.inf
        ranks[block] = (scores >= own[:, None]).sum(axis=1)
    return ranks


def hit_rate(ranks: Ids, top_k: int) -> float:
    """The share of targets among the first `top_k`."""
    return float((ranks < top_k).mean())


def mean_ndcg(ranks: Ids, top_k: int) -> float:
    """Mean of 1 / log2(rank + 2) over targets, those below the first `top_k` counting 0."""
    return float(np.where(ranks < top_k, 1 / np.log2(ranks + 2.0), 0.0).mean())


def best_scores(queries: Sequence[Floats], vectors: Floats) -> Floats:
    """(users, items) each item's best inner product with any of a user's query vectors.

    Args:
        queries: (interests, dim) of each user, at least one.
        vectors: (items, dim).
    """
    counts = np.array([len(each) for each in queries])
    scores = np.concatenate(queries) @ vectors.T
    if (counts == 1).all():
        return np.asarray(scores, dtype=np.float32)
    firsts = np.concatenate(([0], np.cumsum(counts)[:-1]))
    return np.asarray(np.maximum.reduceat(scores, firsts, axis=0), dtype=np.float32)
