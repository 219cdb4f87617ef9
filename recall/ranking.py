"""Orders of a pool that need no training: reciprocal ranks, and channels taking turns."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from recall.pool import Pool

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]


def reciprocal_ranks(pool: Pool, weights: Sequence[float], constant: float) -> Floats:
    """(n,) Σ over channels of weight / (constant + rank), where a channel has the item.

    Args:
        pool: of n items.
        weights: (channels,), in the pool's order.
        constant: what is added to a rank.

    Source: Cormack, Clarke & Buettcher (SIGIR 2009), without weights and with constant 60.
    """
    parts = np.asarray(weights, dtype=np.float64) / (constant + np.maximum(pool.ranks, 1))
    # Sorted, so that rounding cannot tell which channel gave which part.
    return np.asarray(np.sort(np.where(pool.recalled, parts, 0.0), axis=1).sum(axis=1))


def turns(pool: Pool, shares: Sequence[float]) -> Floats:
    """(n,) one over the earliest turn of each item when channels take turns.

    A channel with share s places its item of rank r at turn r / s, so that after t turns it has
    had s · t of its items placed, whoever else has them.

    Args:
        pool: of n items.
        shares: (channels,), each in 0 … 1; a channel with 0 comes after all others.
    """
    per_turn = np.where(pool.recalled, np.asarray(shares) / np.maximum(pool.ranks, 1), 0.0)
    return np.asarray(per_turn.max(axis=1, initial=0.0))


def best_order(pool: Pool, scores: Floats, ties: Floats | None = None) -> Ids:
    """(n,) rows of a pool, highest score first; equal ones by `ties`, then by item number."""
    # Items ascend in a pool: a stable sort leaves equal ones in their order.
    if ties is None:
        return np.argsort(-scores, kind="stable").astype(np.int64)
    return np.lexsort((-ties, -scores)).astype(np.int64)
