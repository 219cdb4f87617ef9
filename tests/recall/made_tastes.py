"""Listeners of two tastes: a checkerboard that every channel of co-listening must see."""

from typing import Final

import numpy as np
import scipy.sparse as sp

USERS: Final = 120
ITEMS: Final = 60


def two_tastes(*, seed: int = 0, shuffled: bool = False) -> tuple[sp.csr_array, list[np.ndarray]]:
    """Plays in which even users play even songs and odd users odd ones, and what was hidden.

    Args:
        seed: of the draws.
        shuffled: deal every user's songs out anew, which leaves no taste to find.

    Returns:
        (users, items) plays, and three hidden songs of every user.
    """
    rng = np.random.default_rng(seed)
    plays = np.zeros((USERS, ITEMS))
    hidden = []
    for user in range(USERS):
        pool = np.arange(ITEMS) if shuffled else np.arange(user % 2, ITEMS, 2)
        songs = rng.choice(pool, 13, replace=False)
        plays[user, songs[3:]] = rng.integers(1, 20, 10)
        hidden.append(songs[:3])
    return sp.csr_array(plays), hidden
