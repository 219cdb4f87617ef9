"""How much each song of a history counts: what was played lately and often counts more."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recall.errors import ShapeError

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryWeights:
    """Weights of the songs of a history, oldest play first.

    A play that `half_life` plays followed counts half. A song's plays are summed and the sum is
    raised to `repeats`: 1 counts every play in full, 0 would only ask whether there was one.

    Args:
        half_life: in plays, above 0; infinite if age does not count.
        repeats: in [0, 1].

    Raises:
        ShapeError: a number is out of range.
    """

    half_life: float = float("inf")
    repeats: float = 0.5

    def __post_init__(self) -> None:
        if not self.half_life > 0 or not 0 <= self.repeats <= 1:
            raise ShapeError("half_life must be above 0 and repeats in [0, 1]")

    def of(self, history: Ids) -> tuple[Ids, Floats]:
        """The different songs of a history, ascending, and their weights, which sum to 1."""
        songs, place = np.unique(history, return_inverse=True)
        age = np.arange(len(history))[::-1]
        plays = np.bincount(place, weights=0.5 ** (age / self.half_life), minlength=len(songs))
        weights = plays**self.repeats
        total = weights.sum()
        return songs, np.asarray(weights / total if total else weights)
