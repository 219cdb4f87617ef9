"""Lift: how much better one system serves the same users than another.

relative lift = mean(b) / mean(a) - 1; retained lift = (federated - own) / (central - own),
the share of what pooling all data would bring that the federation keeps. A ratio whose
denominator cannot be told from zero is `Undefined`, never a large number.
"""

from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt

from simulations.lift.bootstrap import (
    SAMPLES,
    Interval,
    Resampling,
    Undefined,
    percentile_interval,
    resampled_means,
)
from simulations.lift.errors import UnpairedError
from simulations.lift.results import Pooled

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Study:
    """Every comparison of one set of users, from one set of draws.

    Args:
        pooled: the scores.
        draws: (samples, systems, metrics) means over each draw.
    """

    pooled: Pooled = field(repr=False)
    draws: Floats = field(repr=False)

    @classmethod
    def of(cls, pooled: Pooled, *, rng: np.random.Generator, samples: int = SAMPLES) -> Self:
        """Draw users `samples` times and keep the means."""
        plan = Resampling(users=pooled.users, splits=pooled.splits, samples=samples)
        rows, systems, metrics = pooled.values.shape
        means = resampled_means(pooled.values.reshape(rows, -1), plan, rng=rng)
        return cls(pooled=pooled, draws=means.reshape(samples, systems, metrics))

    def mean(self, system: str, metric: str) -> Interval:
        """A system's mean over users."""
        return percentile_interval(*self._column(system, metric))

    def difference(self, system: str, base: str, metric: str) -> Interval:
        """mean(system) - mean(base), in the metric's unit."""
        point, draws = self._column(system, metric)
        base_point, base_draws = self._column(base, metric)
        return percentile_interval(point - base_point, draws - base_draws)

    def relative(self, system: str, base: str, metric: str) -> Interval | Undefined:
        """mean(system) / mean(base) - 1: 0.6 is 60 % more."""
        if self.mean(base, metric).low <= 0:
            return Undefined(f"{metric} of {base} cannot be told from zero")
        point, draws = self._column(system, metric)
        base_point, base_draws = self._column(base, metric)
        return percentile_interval(point / base_point - 1, _ratio(draws, base_draws) - 1)

    def retained(
        self, metric: str, *, system: str = "federated", own: str = "own", central: str = "central"
    ) -> Interval | Undefined:
        """(system - own) / (central - own): 1 is all that pooling the data brings."""
        gap = self.difference(central, own, metric)
        if gap.low <= 0:
            return Undefined(
                f"{metric} of {central} is not clearly above {own}: there is no lift to retain"
            )
        gain = self.difference(system, own, metric)
        _, own_draws = self._column(own, metric)
        gains = self._column(system, metric)[1] - own_draws
        gaps = self._column(central, metric)[1] - own_draws
        return percentile_interval(gain.mean / gap.mean, _ratio(gains, gaps))

    def _column(self, system: str, metric: str) -> tuple[float, Floats]:
        """The mean over all rows, and over each draw."""
        s, m = self.pooled.place(system, metric)
        return float(self.pooled.values[:, s, m].mean()), self.draws[:, s, m]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedLift:
    """How `b` compares with `a` on the same users."""

    mean_a: Interval
    mean_b: Interval
    difference: Interval
    relative: Interval | Undefined


def paired_bootstrap(
    a: Floats, b: Floats, *, samples: int = SAMPLES, rng: np.random.Generator
) -> PairedLift:
    """Compare two systems on the same users, each user one row.

    Args:
        a: (users,) scores of the base.
        b: (users,) scores of the system, the users in the same order.
        samples: number of draws.
        rng: where the draws come from.

    Raises:
        UnpairedError: the two are not vectors of one length above 0.
    """
    if a.ndim != 1 or a.shape != b.shape or not a.size:
        raise UnpairedError(f"{a.shape} and {b.shape} must be vectors of one length above 0")
    study = Study.of(_pair(a, b), rng=rng, samples=samples)
    return PairedLift(
        mean_a=study.mean("a", "score"),
        mean_b=study.mean("b", "score"),
        difference=study.difference("b", "a", "score"),
        relative=study.relative("b", "a", "score"),
    )


def _pair(a: Floats, b: Floats) -> Pooled:
    return Pooled(
        users=np.arange(len(a)),
        splits=np.zeros(len(a), dtype=np.int64),
        systems=("a", "b"),
        metrics=("score",),
        values=np.stack((a, b), axis=1)[:, :, np.newaxis],
        cohorts={},
    )


def _ratio(top: Floats, bottom: Floats) -> Floats:
    """Divide draw by draw; NaN for the rare draw whose denominator is 0."""
    return np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom != 0)
