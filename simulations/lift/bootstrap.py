"""Intervals by resampling users.

The unit that is drawn is the person, not the row: with several splits somebody can be cold
in two of them, and two rows of one person are not two people. Each draw takes, from the
persons first seen in each split, as many as there are, with replacement; a person's rows
come along together. With splits that share nobody this is the bootstrap stratified by
split. All systems and metrics see the same draws, which is what pairs them.

Source: Efron & Tibshirani, An Introduction to the Bootstrap (1993), percentile intervals;
Field & Welsh (JRSS-B 2007) for drawing clusters.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt

from simulations.lift.errors import UnpairedError

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

CONFIDENCE = 0.95
SAMPLES = 2000
# Weights held at once: 2 ** 22 float64 are 32 MiB, whatever the number of users.
_CHUNK = 2**22


@dataclass(frozen=True, slots=True)
class Interval:
    """A measured value and its 95 % interval, in the unit of the value."""

    mean: float
    low: float
    high: float

    def covers(self, value: float) -> bool:
        """Whether `value` lies inside, ends included."""
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Undefined:
    """A ratio that has no meaning on these data, and why."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Resampling:
    """Which rows are drawn together, and how often.

    Args:
        users: (rows,) the person a row speaks of.
        splits: (rows,) the split a row belongs to.
        samples: number of draws.

    Raises:
        UnpairedError: the two differ in length or are empty, or `samples` is below 1.
    """

    users: Ids = field(repr=False)
    splits: Ids = field(repr=False)
    samples: int = SAMPLES

    def __post_init__(self) -> None:
        if self.users.ndim != 1 or self.users.shape != self.splits.shape or not self.users.size:
            raise UnpairedError("users and splits must be vectors of one length above 0")
        if self.samples < 1:
            raise UnpairedError(f"samples must be at least 1, not {self.samples}")

    @classmethod
    def of_rows(cls, rows: int, *, samples: int = SAMPLES) -> Self:
        """Every row another person, all in one split."""
        return cls(users=np.arange(rows), splits=np.zeros(rows, dtype=np.int64), samples=samples)

    def weights(self, rng: np.random.Generator) -> Iterator[Floats]:
        """How often each row is in each draw: (chunk, rows) blocks, `samples` rows in all."""
        persons, first, person_of_row = np.unique(
            self.users, return_index=True, return_inverse=True
        )
        strata = self.splits[first]
        size = max(1, _CHUNK // len(self.users))
        for start in range(0, self.samples, size):
            draws = min(size, self.samples - start)
            counts = np.empty((draws, len(persons)))
            for stratum in np.unique(strata):
                members = np.flatnonzero(strata == stratum)
                counts[:, members] = _draw(len(members), draws=draws, rng=rng)
            yield counts[:, person_of_row]


def resampled_means(values: Floats, plan: Resampling, *, rng: np.random.Generator) -> Floats:
    """Means of every column over each draw.

    Args:
        values: (rows, columns).
        plan: what is drawn.
        rng: where the draws come from.

    Returns:
        (samples, columns).

    Raises:
        UnpairedError: `values` has other rows than `plan`.
    """
    if values.ndim != 2 or len(values) != len(plan.users):
        raise UnpairedError(f"values {values.shape} do not have {len(plan.users)} rows")
    blocks = [w @ values / w.sum(axis=1, keepdims=True) for w in plan.weights(rng)]
    return np.concatenate(blocks)


def percentile_interval(point: float, draws: Floats) -> Interval:
    """`point` with the middle 95 % of `draws`; draws that are NaN do not count."""
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(draws, (tail, 1 - tail))
    return Interval(float(point), float(low), float(high))


def _draw(members: int, *, draws: int, rng: np.random.Generator) -> Floats:
    """(draws, members): how often each of `members` comes in `members` draws from them."""
    picked = rng.integers(0, members, size=(draws, members))
    picked += np.arange(draws)[:, np.newaxis] * members
    counts = np.bincount(picked.ravel(), minlength=draws * members)
    return counts.reshape(draws, members).astype(np.float64)
