"""Made data: users and songs in four tastes, and partners that see the taste."""

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from towers.config import TrainerConfig
from towers.dssm import SideCodes
from towers.features import Features, Floats
from towers.pooled import LocalPartner
from towers.projection import ProjectionConfig
from towers.training import ItemTrainer, Labels

USERS, SONGS, TASTES = 300, 80, 4


def checkerboard(rng: np.random.Generator) -> tuple[sp.csr_array, npt.NDArray[np.int64]]:
    """(users, songs) plays where a user mostly plays songs of its own taste."""
    taste = rng.integers(TASTES, size=USERS)
    fits = taste[:, None] == np.arange(SONGS)[None, :] % TASTES
    plays = rng.random((USERS, SONGS)) < np.where(fits, 0.5, 0.02)
    plays[:, 0] = True
    return sp.csr_array(plays * rng.integers(1, 9, plays.shape), dtype=np.float32), taste


def taste_features(taste: npt.NDArray[np.int64], rng: np.random.Generator) -> Features:
    """Many counts a user, more in the columns of its taste."""
    rate = np.where(taste[:, None] == np.arange(40)[None, :] % TASTES, 2.0, 0.2)
    return Features.from_multi_hot(sp.csr_array(rng.poisson(rate).astype(np.float32)))


def no_side(users: int = USERS, songs: int = SONGS) -> SideCodes:
    return SideCodes(
        users=np.zeros((users, 0), np.float32), songs=np.zeros((songs, 0), np.float32)
    )


def none_like(labels: sp.csr_array) -> sp.csr_array:
    return sp.csr_array(labels.shape, dtype=np.float32)


def make_trainer(
    labels: sp.csr_array,
    validation: sp.csr_array | None = None,
    *,
    config: TrainerConfig | None = None,
    side: SideCodes | None = None,
) -> ItemTrainer:
    held_out = none_like(labels) if validation is None else validation
    given = Labels(train=labels, validation=held_out, side=side or no_side(*labels.shape))
    return ItemTrainer(config or TrainerConfig(), given, seed=3)


def partner_on(phi: Floats, seed: int = 0) -> LocalPartner:
    return LocalPartner(phi, 64, ProjectionConfig(), seed=seed)
