"""Songs that nobody has played yet: what their features alone say of them."""

from typing import Final

import numpy as np
import numpy.typing as npt

from towers.features import Floats

RIDGE: Final = 1.0  # in units of one song: few songs of a kind hardly move the estimate


def fresh_songs(counts: npt.NDArray[np.number], codes: Floats) -> npt.NDArray[np.bool_]:
    """(m,) which songs are new: never played, and known by their features.

    Without features nothing can be said of a song that nobody played, and it stays as it is.

    Args:
        counts: (m,) training plays.
        codes: (m, b) song codes; b = 0 where the item party knows nothing of its songs.
    """
    if not codes.shape[1]:
        return np.zeros(len(counts), dtype=bool)
    return np.asarray((counts == 0) & (codes != 0).any(axis=1))


def expected_prior(prior: Floats, codes: Floats, fresh: npt.NDArray[np.bool_]) -> Floats:
    """(m,) the prior, and for new songs what songs with such features have on average.

    Args:
        prior: (m,) learnt log-popularity; of new songs it means nothing.
        codes: (m, b) song codes.
        fresh: (m,) which songs are new.

    Returns:
        A ridge regression of the prior on the codes, for new songs; the rest unchanged.
    """
    known = ~fresh
    if not fresh.any() or not known.any():
        return prior
    mean = prior[known].mean()
    told = codes[known].astype(np.float64)
    gram = told.T @ told + RIDGE * np.eye(told.shape[1])
    weights = np.linalg.solve(gram, told.T @ (prior[known] - mean))
    estimated = prior.copy()
    estimated[fresh] = (mean + codes[fresh] @ weights).astype(np.float32)
    return estimated
