"""Made histories: chains whose order tells the next item, and people of one or two tastes."""

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]


def chains(rng: np.random.Generator, *, users: int = 400, items: int = 50) -> list[Ids]:
    """Histories of 14 in which an item's successor mostly comes next; items may come again."""
    successor = rng.permutation(items)
    plays = np.empty((users, 14), dtype=np.int64)
    plays[:, 0] = rng.integers(items, size=users)
    for place in range(1, plays.shape[1]):
        jumps = rng.random(users) < 0.3
        random = rng.integers(items, size=users)
        plays[:, place] = np.where(jumps, random, successor[plays[:, place - 1]])
    return [*plays]


def without_order(histories: list[Ids], rng: np.random.Generator) -> list[Ids]:
    return [rng.permutation(history) for history in histories]


def tastes(
    rng: np.random.Generator, *, per_user: int, users: int = 500, tastes: int = 20
) -> list[Ids]:
    """Histories of 16 songs; each song is of one of its listener's tastes, 12 songs a taste."""
    own = np.array([rng.permutation(tastes)[:per_user] for _ in range(users)])
    which = own[np.arange(users)[:, None], rng.integers(per_user, size=(users, 16))]
    return [*(which + tastes * rng.integers(12, size=which.shape))]
