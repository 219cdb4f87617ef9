"""Who listened to what, as the channels that learn from it see it."""

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from recall.errors import ShapeError

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]


def checked_plays(plays: sp.sparray | sp.spmatrix) -> sp.csr_array:
    """A copy of (users, items) plays with positive entries alone, in order of items.

    Raises:
        ShapeError: an entry is negative, NaN or infinite, or nobody played anything.
    """
    found = sp.csr_array(plays, dtype=np.float64, copy=True)
    found.sum_duplicates()
    if not np.isfinite(found.data).all() or (found.data < 0).any():
        raise ShapeError("plays hold a negative number, NaN or infinity")
    found.eliminate_zeros()
    if not found.nnz:
        raise ShapeError("nobody played anything: there is nothing to learn from")
    return found


def listener_counts(plays: sp.csr_array) -> Floats:
    """(items,) how many users played each item of (users, items) plays without zeros."""
    return np.bincount(plays.indices, minlength=plays.shape[1]).astype(np.float64)


def songs_of(history: Ids, items: int) -> tuple[Ids, Ids, Ids]:
    """The different songs of a history, the most recent first.

    Args:
        history: (n,) songs, oldest first, some more than once.
        items: songs that are known; numbers outside 0 … items-1 are left out.

    Returns:
        Songs, how often each was played, and how many plays ago the last of them was: 0 for the
        newest. Each (distinct,).
    """
    newest_first = history[::-1]
    known = np.flatnonzero((newest_first >= 0) & (newest_first < items))
    songs, first, counts = np.unique(newest_first[known], return_index=True, return_counts=True)
    order = np.argsort(first, kind="stable")
    return songs[order], counts[order].astype(np.int64), known[first[order]].astype(np.int64)


def best_first(scores: npt.NDArray[np.float32], k: int) -> Ids:
    """Places of the `k` highest scores above 0, best first; equal ones by place.

    Args:
        scores: (n,), finite.
        k: how many at most.
    """
    places = np.flatnonzero(scores > 0)
    if len(places) > k:
        # Everything that ties with the last one stays, so that ties are cut by place alone.
        least = np.partition(scores[places], len(places) - k)[len(places) - k]
        places = places[scores[places] >= least]
    order = np.argsort(-scores[places], kind="stable")[:k]
    return places[order].astype(np.int64)
