"""Who is cold: a seeded share of listeners whose whole history is hidden."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from federation.errors import SettingError
from parties.listening import cold_users as hidden_listeners
from recall.metrics import CUTOFFS
from simulations.listening import Listening

Ids = npt.NDArray[np.int64]
LONGEST_CUTOFF = max(CUTOFFS)
MIN_SIDE = 2  # users on each side below which nothing can be learnt or measured


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationConfig:
    """How a run is judged.

    Args:
        cold_share: share of listeners whose history is hidden from everyone.
        top_k: length of the lists that are judged.
        bootstrap_samples: draws behind every interval.
        hidden_share: share of every warm user's songs that is hidden where channels are compared.
        fitting_share: share of warm users whose hidden songs fit the fusion instead of judging it.
        new_song_share: share of the songs that is hidden from everybody where channels are
            compared, as if nobody had played them yet; only of songs with features.
    """

    cold_share: float = 0.2
    top_k: int = 200
    bootstrap_samples: int = 2000
    hidden_share: float = 0.2
    fitting_share: float = 0.2
    new_song_share: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.cold_share < 1:
            raise SettingError("evaluation.cold_share must be between 0 and 1")
        for name in ("hidden_share", "fitting_share"):
            if not 0 < getattr(self, name) < 1:
                raise SettingError(f"evaluation.{name} must be between 0 and 1")
        if not 0 <= self.new_song_share < 1:
            raise SettingError("evaluation.new_song_share must be in [0, 1)")
        if self.top_k < LONGEST_CUTOFF or self.bootstrap_samples < 1:
            raise SettingError(
                f"evaluation.top_k must be at least {LONGEST_CUTOFF}, and "
                "evaluation.bootstrap_samples at least 1"
            )


def cold_users(listening: Listening, share: float, *, seed: int) -> Ids:
    """(cold,) ascending numbers of the users whose history this split hides.

    Raises:
        SettingError: too few listeners for the share.
    """
    listeners = np.flatnonzero(np.diff(listening.weights.indptr))
    count = int(len(listeners) * share)
    if count < MIN_SIDE or len(listeners) - count < MIN_SIDE:
        raise SettingError(
            f"{len(listeners)} listeners cannot be split by evaluation.cold_share = {share}: at "
            f"least {MIN_SIDE} users are needed on each side"
        )
    return hidden_listeners(listening.weights, share, seed=seed)
