"""What a pool says of each candidate, as numbers that a linear model can weigh."""

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from recall.pool import Pool

Floats32 = npt.NDArray[np.float32]

SIGNS: Final = ("recalled", "closeness", "reciprocal", "score")
"""Of a candidate in a channel, each 0 where the channel does not have it and 1 at best:
whether it has it, how near its rank is to 1 in logarithm, the reciprocal rank of rank fusion,
and its score between the lowest and the highest of the list."""
RANK_CONSTANT: Final = 60  # of the reciprocal rank, as in Cormack et al. (SIGIR 2009)
REACH: Final = 1000  # ranks beyond it are all equally far
FAME: Final = "fame"  # log popularity, the one sign that is no channel's


def evidence(pool: Pool) -> Floats32:
    """(n, channels, signs) what each channel says of each candidate.

    Args:
        pool: of n items.
    """
    found = np.zeros((*pool.ranks.shape, len(SIGNS)), dtype=np.float32)
    ranks = np.maximum(pool.ranks, 1)
    found[..., 0] = 1.0
    found[..., 1] = np.maximum(0.0, 1 - np.log(ranks) / math.log(REACH))
    found[..., 2] = (1 + RANK_CONSTANT) / (ranks + RANK_CONSTANT)
    found[..., 3] = _scaled(pool)
    found[~pool.recalled] = 0.0
    return found


def _scaled(pool: Pool) -> Floats32:
    """(n, channels) scores from 0, the lowest of a list, to 1, the highest; 1 if all are equal."""
    if not len(pool):
        return pool.scores
    lowest = np.where(pool.recalled, pool.scores, np.inf).min(axis=0)
    highest = np.where(pool.recalled, pool.scores, -np.inf).max(axis=0)
    spread = highest - lowest
    with np.errstate(invalid="ignore"):  # of a channel that recalled nothing
        scaled = (pool.scores - lowest) / np.where(spread > 0, spread, 1.0)
    return np.where(spread > 0, scaled, 1.0).astype(np.float32)
