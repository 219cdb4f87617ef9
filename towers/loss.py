"""Sampled softmax with several positives a user and negatives that no batch influences.

Negatives are drawn once a step from the whole catalogue, without looking at the batch's users. A
user's loss, and so its row of the gradient, then depends on nothing but its own labels, its own
vector and the shared negatives: replacing one user moves one row.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from torch import Tensor

from towers.errors import ConfigError
from towers.features import Floats


@dataclass(frozen=True, slots=True)
class Negatives:
    """Songs drawn for one step, and how much each must count to be unbiased.

    Args:
        songs: (s,) distinct song numbers, ascending.
        log_inclusion: (s,) log of the probability that a song is drawn; at most 0.
    """

    songs: npt.NDArray[np.int64]
    log_inclusion: Floats


class NegativeSampler:
    """Draws songs by popularity, independent of any batch; all of them if asked for so many.

    Each song is drawn on its own (Poisson sampling), so the log-Q correction by its inclusion
    probability makes the sum of exponentiated scores unbiased.

    Source: Yi et al., Sampling-bias-corrected neural modeling (RecSys 2019) for log-Q.
    """

    def __init__(
        self,
        counts: Floats,
        expected: int,
        *,
        smoothing: float = 0.75,
        left_out: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        """Weigh songs by how often they are played.

        Args:
            counts: (m,) training plays.
            expected: songs a draw has on average.
            smoothing: exponent of the counts; 0 draws all songs alike.
            left_out: (m,) songs that are never drawn; none unless given.

        Raises:
            ConfigError: `expected` is below 1.
        """
        if expected < 1:
            raise ConfigError("the number of negatives must be at least 1")
        drawn = np.ones(len(counts), dtype=bool) if left_out is None else ~left_out
        self._inclusion = np.zeros(len(counts))
        weights = (counts[drawn].astype(np.float64) + 1) ** smoothing
        self._inclusion[drawn] = _inclusion(weights, expected)

    def draw(self, rng: np.random.Generator) -> Negatives:
        """Draw the negatives of one step."""
        songs = np.flatnonzero(rng.random(len(self._inclusion)) < self._inclusion)
        return Negatives(songs, np.log(self._inclusion[songs]).astype(np.float32))


def _inclusion(weights: npt.NDArray[np.float64], expected: int) -> npt.NDArray[np.float64]:
    """Probabilities proportional to the weights, none above 1, that sum to `expected`."""
    if expected >= len(weights):
        return np.ones(len(weights))
    capped = np.zeros(len(weights), dtype=bool)
    while True:
        scale = (expected - capped.sum()) / weights[~capped].sum()
        over = ~capped & (weights * scale >= 1)
        if not over.any():
            return np.where(capped, 1.0, weights * scale)
        capped |= over


@dataclass(frozen=True, slots=True)
class Positives:
    """The labels of one batch, flat: pair p says user `rows[p]` likes `songs[p]`.

    Args:
        rows: (p,) row in the batch, ascending.
        songs: (p,) song number.
        shares: (p,) weight of the song among its user's songs; sums to 1 for each user.
        hits: (2, h) row in the batch and place among the negatives of each accidental hit.
    """

    rows: Tensor
    songs: Tensor
    shares: Tensor
    hits: Tensor


def gather_positives(labels: sp.csr_array, negatives: Negatives) -> Positives:
    """Flatten the (B, m) graded labels of a batch's users, each of whom has some."""
    sizes = np.diff(labels.indptr)
    rows = np.repeat(np.arange(len(sizes)), sizes)
    totals = np.bincount(rows, weights=labels.data, minlength=len(sizes))
    place = np.searchsorted(negatives.songs, labels.indices)
    place = np.minimum(place, max(len(negatives.songs) - 1, 0))
    drawn = len(negatives.songs) > 0
    hit = (negatives.songs[place] == labels.indices) if drawn else np.zeros(len(rows), dtype=bool)
    return Positives(
        rows=torch.from_numpy(rows),
        songs=torch.from_numpy(labels.indices.astype(np.int64)),
        shares=torch.from_numpy((labels.data / totals[rows]).astype(np.float32)),
        hits=torch.from_numpy(np.stack([rows[hit], place[hit]]).astype(np.int64)),
    )


def softmax_losses(
    negative_scores: Tensor, positive_scores: Tensor, positives: Positives, log_inclusion: Tensor
) -> Tensor:
    """Cross-entropy of each user's graded songs against its songs and the negatives.

    Args:
        negative_scores: (B, s), score of every negative for every user.
        positive_scores: (p,), score of every positive pair.
        positives: the pairs, and which negatives are in truth positives of the row's user.
        log_inclusion: (s,), log-Q correction of the negatives.

    Returns:
        (B,) losses, each a function of its own row alone.
    """
    corrected = negative_scores - log_inclusion
    corrected = corrected.index_put(
        (positives.hits[0], positives.hits[1]), torch.tensor(-torch.inf)
    )
    users = len(negative_scores)
    with torch.no_grad():
        top = torch.full((users,), -torch.inf)
        if corrected.shape[1]:
            top = corrected.amax(dim=1)
        top = top.scatter_reduce(0, positives.rows, positive_scores, "amax")
    others = torch.exp(corrected - top[:, None]).sum(dim=1)
    own = torch.exp(positive_scores - top.index_select(0, positives.rows))
    total = others.index_add(0, positives.rows, own)
    liked = torch.zeros(users).index_add(0, positives.rows, positives.shares * positive_scores)
    return top + torch.log(total) - liked
