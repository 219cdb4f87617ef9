"""How good recalled lists are, per user and as a whole.

`ranked` is always (users, K) int64: item numbers, best first, each at most once a row,
with -1 behind the last item of a short list. `truth` is a (users, items) sparse matrix:
a positive value marks a true item, and is its weight (plays or seconds).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from recall.errors import NoTruthError, ShapeError

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

CUTOFFS = (10, 50, 200)
NO_ITEM = -1


def ranked_rows(lists: Sequence[Ids], k: int) -> Ids:
    """Lists of any length, best first, as (lists, k) rows: cut after k, filled up with -1."""
    rows = np.full((len(lists), k), NO_ITEM, dtype=np.int64)
    for row, items in zip(rows, lists, strict=True):
        row[: len(items)] = items[:k]
    return rows


def has_truth(truth: sp.sparray | sp.spmatrix) -> npt.NDArray[np.bool_]:
    """Which users have at least one true item, and can be evaluated: (users,)."""
    return np.asarray((sp.csr_array(truth) > 0).sum(axis=1)).ravel() > 0


def user_metrics(
    ranked: Ids, truth: sp.sparray | sp.spmatrix, *, cutoffs: Sequence[int] = CUTOFFS
) -> Mapping[str, Floats]:
    """Score every user's list at every cut-off k.

    With hit(j) = 1 when the item at rank j ≥ 1 is true, T the user's true items and w
    their weights, the first k items give

    - `recall@k`: Σ hit / |T|;
    - `ndcg@k`: Σ hit(j) / log₂(j + 1), over the same for the best possible list;
    - `hit@k`: 1 when there is a hit;
    - `weighted_recall@k`: Σ w of the hits / Σ w over T.

    Args:
        ranked: (users, K) lists.
        truth: (users, items) weights of the true items.
        cutoffs: list lengths, each between 1 and K.

    Returns:
        Name to (users,) float64, all in 0 … 1.

    Raises:
        NoTruthError: a user has no true item, so its recall is 0 / 0.
        ShapeError: the arrays do not fit together.

    Source: Järvelin & Kekäläinen (TOIS 2002) for nDCG, with binary gains.
    """
    weights = _clean_truth(truth)
    _check_ranked(ranked, shape=weights.shape, cutoffs=cutoffs)
    found = _weights_found(ranked, weights)
    sizes = np.diff(weights.indptr).astype(np.float64)
    totals = np.asarray(weights.sum(axis=1)).ravel()
    discounts = 1 / np.log2(np.arange(2, ranked.shape[1] + 2))
    ideal = np.concatenate(([0.0], np.cumsum(discounts)))
    scores: dict[str, Floats] = {}
    for k in cutoffs:
        hits = found[:, :k] > 0
        count = hits.sum(axis=1)
        best = ideal[np.minimum(sizes, k).astype(np.int64)]
        scores[f"recall@{k}"] = count / sizes
        scores[f"ndcg@{k}"] = (hits @ discounts[:k]) / best
        scores[f"hit@{k}"] = (count > 0).astype(np.float64)
        scores[f"weighted_recall@{k}"] = found[:, :k].sum(axis=1) / totals
    return scores


def list_metrics(
    ranked: Ids, popularity: npt.ArrayLike, *, cutoffs: Sequence[int] = CUTOFFS
) -> Mapping[str, float]:
    """Describe the lists as a whole, at every cut-off k.

    - `coverage@k`: share of the catalogue that is in some user's list;
    - `novelty@k`: mean of log₂(1 / p) over all recalled items, in bits, where p is the item's
      share of all plays after one play more for each item, so that it is never 0;
    - `gini@k`: 0 when all items are recalled equally often, towards 1 when few take all.

    Args:
        ranked: (users, K) lists, at least one user.
        popularity: (items,) plays (or users) of every item, non-negative.
        cutoffs: list lengths, each between 1 and K.

    Returns:
        Name to number.

    Raises:
        ShapeError: the arrays do not fit together, or every list is empty.
    """
    plays = np.asarray(popularity, dtype=np.float64)
    if plays.ndim != 1 or not np.isfinite(plays).all() or (plays < 0).any():
        raise ShapeError("popularity must be a vector of non-negative finite numbers")
    _check_ranked(ranked, shape=(len(ranked), len(plays)), cutoffs=cutoffs)
    bits = -np.log2((plays + 1) / (plays + 1).sum())
    scores: dict[str, float] = {}
    for k in cutoffs:
        items = ranked[:, :k].ravel()
        shown = np.bincount(items[items != NO_ITEM], minlength=len(plays))
        if not shown.any():
            raise ShapeError("every list is empty: there is nothing to describe")
        scores[f"coverage@{k}"] = float((shown > 0).mean())
        scores[f"novelty@{k}"] = float(shown @ bits / shown.sum())
        scores[f"gini@{k}"] = gini(shown)
    return scores


def intra_list_diversity(
    ranked: Ids, vectors: npt.ArrayLike, *, cutoffs: Sequence[int] = CUTOFFS
) -> Mapping[str, Floats]:
    """How unlike each other the items of every list are, at every cut-off k.

    `diversity@k` is the mean of 1 - cosine over all pairs of the first k items: 0 when all point
    one way, 1 when they have nothing in common, and 0 for a list of fewer than two.

    Args:
        ranked: (users, K) lists.
        vectors: (items, dim) of every item, finite; an item of norm 0 is unlike all others.
        cutoffs: list lengths, each between 1 and K.

    Returns:
        Name to (users,) float64, all in 0 … 2.

    Raises:
        ShapeError: the arrays do not fit together.

    Source: Ziegler et al. (WWW 2005).
    """
    rows = np.asarray(vectors, dtype=np.float64)
    if rows.ndim != 2 or not np.isfinite(rows).all():
        raise ShapeError("item vectors must be a finite (items, dim) matrix")
    _check_ranked(ranked, shape=(len(ranked), len(rows)), cutoffs=cutoffs)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    units = rows / np.where(norms > 0, norms, 1.0)
    return {f"diversity@{k}": _mean_distances(ranked[:, :k], units) for k in cutoffs}


def _mean_distances(ranked: Ids, units: Floats) -> Floats:
    shown = ranked != NO_ITEM
    counts = shown.sum(axis=1)
    sums = np.stack(
        [units[row[here]].sum(axis=0) for row, here in zip(ranked, shown, strict=True)]
    )
    own = (np.where(shown, (units**2).sum(axis=1)[ranked], 0.0)).sum(axis=1)
    # |Σ x|² = Σ |x|² + 2 · the cosines of all pairs.
    cosines = ((sums**2).sum(axis=1) - own) / 2
    pairs = counts * (counts - 1) / 2
    return np.where(pairs > 0, 1 - cosines / np.maximum(pairs, 1), 0.0)


def gini(counts: npt.ArrayLike) -> float:
    """How unequal non-negative `counts` are: 0 all equal, (n-1)/n all in one place.

    Raises:
        ShapeError: `counts` is no vector, holds a negative number, or sums to 0.
    """
    values = np.sort(np.asarray(counts, dtype=np.float64))
    if values.ndim != 1 or not values.sum() > 0 or values[0] < 0:
        raise ShapeError("gini needs a vector of non-negative counts with a positive sum")
    n = len(values)
    ranks = np.arange(1, n + 1)
    return float((2 * ranks - n - 1) @ values / (n * values.sum()))


def _clean_truth(truth: sp.sparray | sp.spmatrix) -> sp.csr_array:
    """A copy of `truth` with sorted positive entries only; users without any are refused."""
    weights = sp.csr_array(truth, dtype=np.float64, copy=True)
    weights.sum_duplicates()
    if not np.isfinite(weights.data).all() or (weights.data < 0).any():
        raise ShapeError("truth holds a negative weight, NaN or infinity")
    weights.eliminate_zeros()
    empty = int((np.diff(weights.indptr) == 0).sum())
    if empty or not weights.shape[0]:
        raise NoTruthError(f"{empty} of {weights.shape[0]} users have no true item")
    return weights


def _check_ranked(ranked: Ids, *, shape: tuple[int, ...], cutoffs: Sequence[int]) -> None:
    if ranked.ndim != 2 or ranked.dtype != np.int64 or len(ranked) != shape[0]:
        raise ShapeError(f"ranked must be int64 ({shape[0]}, K), not {ranked.shape}")
    if not cutoffs or min(cutoffs) < 1 or max(cutoffs) > ranked.shape[1]:
        raise ShapeError(f"cut-offs {cutoffs} must lie in 1 … K = {ranked.shape[1]}")
    if ranked.size and (ranked.min() < NO_ITEM or ranked.max() >= shape[1]):
        raise ShapeError(f"ranked holds an item outside 0 … {shape[1] - 1}")
    ordered = np.sort(ranked, axis=1)
    if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] != NO_ITEM)).any():
        raise ShapeError("ranked holds an item twice in one list")
    if ((ranked[:, :-1] == NO_ITEM) & (ranked[:, 1:] != NO_ITEM)).any():
        raise ShapeError("ranked holds an item behind the end of a list")


def _weights_found(ranked: Ids, truth: sp.csr_array) -> Floats:
    """(users, K): the weight of each recalled item in `truth`, 0 where it is not there."""
    if not truth.nnz:
        return np.zeros(ranked.shape)
    users, items = truth.shape
    # One sorted key for each true (user, item) lets a single binary search serve all rows.
    keys = np.repeat(np.arange(users), np.diff(truth.indptr)) * items + truth.indices
    wanted = np.arange(users)[:, np.newaxis] * items + ranked
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    matched = (keys[place] == wanted) & (ranked != NO_ITEM)
    return np.where(matched, truth.data[place], 0.0)
