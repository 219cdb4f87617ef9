"""Lists that do not say the same thing twice: maximal marginal relevance."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]


def marginal_order(
    scores: Floats, *, vectors: Floats32 | None, groups: Ids | None, relevance: float
) -> Ids:
    """Take items one after the other, each for its fit and for being unlike those before.

    With s scaled to 0 … 1 and S the items taken so far, the next one has the highest

        λ · s(i) - (1 - λ) · max over j in S of likeness(i, j),

    where the likeness of two items is the cosine of their vectors, and 1 for two of one group.

    Args:
        scores: (n,) fit, best first.
        vectors: (n, dim); None to go by groups alone.
        groups: (n,), below 0 for none; None to go by vectors alone.
        relevance: λ, in 0 … 1.

    Returns:
        (n,) places in `scores`, best first; equal ones by place.

    Source: Carbonell & Goldstein (SIGIR 1998).
    """
    fit = relevance * _scaled(scores)
    rows = None if vectors is None else _unit_rows(vectors)
    worst = np.full(len(scores), -np.inf)  # likeness to the most alike item taken
    taken = np.zeros(len(scores), dtype=bool)
    order = np.empty(len(scores), dtype=np.int64)
    for place in range(len(scores)):
        penalty = 0.0 if place == 0 else (1 - relevance) * worst
        best = int(np.argmax(np.where(taken, -np.inf, fit - penalty)))
        order[place], taken[best] = best, True
        np.maximum(worst, _likeness(best, rows, groups, len(scores)), out=worst)
    return order


def _likeness(item: int, rows: Floats32 | None, groups: Ids | None, n: int) -> Floats:
    """(n,) likeness of all items to one."""
    alike = np.zeros(n) if rows is None else (rows @ rows[item]).astype(np.float64)
    if groups is not None and groups[item] >= 0:
        alike[groups == groups[item]] = 1.0
    return alike


def _scaled(scores: Floats) -> Floats:
    """Scores from 0, the lowest, to 1, the highest; all 1 if they are equal."""
    if not len(scores):
        return scores
    spread = scores.max() - scores.min()
    return (scores - scores.min()) / spread if spread > 0 else np.ones(len(scores))


def _unit_rows(vectors: Floats32) -> Floats32:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(norms > 0, norms, 1.0), dtype=np.float32)
