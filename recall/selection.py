"""Which of the ranked candidates come into the list: quotas and caps."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from recall.pool import Pool

Ids = npt.NDArray[np.int64]


def within_cap(order: Ids, groups: Ids, cap: int) -> Ids:
    """Leave out what is not among the first `cap` of its group.

    Args:
        order: (m,) rows, best first.
        groups: (n,) group of each row; below 0 for none.
        cap: items of one group at most, at least 1.

    Returns:
        (kept,) rows, in the same order.
    """
    own = groups[order]
    by_group = np.argsort(own, kind="stable")
    ordered = own[by_group]
    starts = np.searchsorted(ordered, ordered, side="left")
    place = np.empty(len(order), dtype=np.int64)
    place[by_group] = np.arange(len(order)) - starts
    return order[(place < cap) | (own < 0)]


def with_quotas(pool: Pool, order: Ids, reserved: Sequence[int], k: int) -> Ids:
    """The first `k` rows, among them each channel's best as its quota says.

    Args:
        pool: of n items.
        order: (m,) rows that may be chosen, best first.
        reserved: (channels,) places that each channel has for certain; together at most `k`.
        k: length of the list.

    Returns:
        (min(k, m),) rows, in the order of `order`.
    """
    if not any(reserved):
        return order[:k]
    certain = np.zeros(len(order), dtype=bool)
    for column, places in enumerate(reserved):
        ranks = pool.ranks[order, column]
        has = np.flatnonzero(ranks)
        certain[has[np.argsort(ranks[has], kind="stable")[:places]]] = True
    others = np.flatnonzero(~certain)[: k - int(certain.sum())]
    certain[others] = True
    return order[certain]
