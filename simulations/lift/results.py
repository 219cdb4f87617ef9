"""What the systems scored for the same users, over one split or several."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt

from simulations.lift.errors import UnknownSystemError, UnpairedError

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SystemResult:
    """One system's scores on one split.

    Args:
        name: as in the report: popularity, own, partner:NAME, federated, central, shuffled.
        per_user: metric to (users,) scores, the users in the split's order.
        lists: metric of the lists as a whole (coverage, novelty, Gini) to its value.
    """

    name: str
    per_user: Mapping[str, Floats] = field(repr=False)
    lists: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SplitResult:
    """All systems on the cold users of one split.

    Args:
        seed: what the split was drawn from.
        users: (users,) who they are: one person has one number in all splits.
        systems: every system, scored on these users in this order.
        cohorts: family to cohort to (users,) whether the user belongs to it.

    Raises:
        UnpairedError: an array speaks of another number of users, a user or a system
            comes twice, or two systems have different metrics.
    """

    seed: int
    users: Ids = field(repr=False)
    systems: tuple[SystemResult, ...]
    cohorts: Mapping[str, Mapping[str, Bools]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if len(np.unique(self.users)) != len(self.users) or not len(self.users):
            raise UnpairedError(f"split {self.seed} has no users, or one of them twice")
        if not self.systems or len(set(self.names)) != len(self.systems):
            raise UnpairedError(f"split {self.seed} has no systems, or one of them twice")
        for system in self.systems:
            if system.per_user.keys() != self.systems[0].per_user.keys():
                raise UnpairedError(f"{system.name} was not scored by the same metrics")
            _check_lengths(system.per_user, users=len(self.users), what=system.name)
        for family, groups in self.cohorts.items():
            _check_lengths(groups, users=len(self.users), what=family)

    @property
    def names(self) -> tuple[str, ...]:
        """The systems' names, in order."""
        return tuple(system.name for system in self.systems)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pooled:
    """Several splits laid end to end: one row for each user of each split.

    Args:
        users: (rows,) who.
        splits: (rows,) which split, 0 … splits-1.
        systems: names of the systems.
        metrics: names of the metrics.
        values: (rows, systems, metrics).
        cohorts: family to cohort to (rows,).
    """

    users: Ids = field(repr=False)
    splits: Ids = field(repr=False)
    systems: tuple[str, ...]
    metrics: tuple[str, ...]
    values: Floats = field(repr=False)
    cohorts: Mapping[str, Mapping[str, Bools]] = field(repr=False)

    @classmethod
    def of(cls, splits: Sequence[SplitResult]) -> Self:
        """Lay `splits` end to end.

        Raises:
            UnpairedError: no split, or splits with different systems or metrics.
        """
        if not splits:
            raise UnpairedError("there is no split to evaluate")
        names, metrics = splits[0].names, tuple(splits[0].systems[0].per_user)
        for split in splits:
            if split.names != names or tuple(split.systems[0].per_user) != metrics:
                raise UnpairedError(f"split {split.seed} has other systems or metrics")
        return cls(
            users=np.concatenate([split.users for split in splits]),
            splits=np.repeat(np.arange(len(splits)), [len(split.users) for split in splits]),
            systems=names,
            metrics=metrics,
            values=np.concatenate([_table(split, metrics) for split in splits]),
            cohorts=_join_cohorts(splits),
        )

    def where(self, rows: Bools) -> Self:
        """The same with only some rows, and without cohorts."""
        return type(self)(
            users=self.users[rows],
            splits=self.splits[rows],
            systems=self.systems,
            metrics=self.metrics,
            values=self.values[rows],
            cohorts={},
        )

    def place(self, system: str, metric: str) -> tuple[int, int]:
        """Where a system's metric lies in the last two axes of `values`.

        Raises:
            UnknownSystemError: there is no such system or metric.
        """
        if system not in self.systems or metric not in self.metrics:
            raise UnknownSystemError(f"{metric} of {system} was not measured")
        return self.systems.index(system), self.metrics.index(metric)


def _check_lengths(
    arrays: Mapping[str, Floats] | Mapping[str, Bools], *, users: int, what: str
) -> None:
    for name, array in arrays.items():
        if array.shape != (users,) or not np.isfinite(array).all():
            raise UnpairedError(f"{what}: {name} must be {users} finite values")


def _table(split: SplitResult, metrics: tuple[str, ...]) -> Floats:
    """(users, systems, metrics) of one split."""
    columns = [[system.per_user[name] for name in metrics] for system in split.systems]
    return np.moveaxis(np.array(columns, dtype=np.float64), -1, 0)


def _join_cohorts(splits: Sequence[SplitResult]) -> Mapping[str, Mapping[str, Bools]]:
    """Cohorts over all rows; a cohort that a split lacks has nobody there."""
    names = {
        family: list(dict.fromkeys(g for s in splits for g in s.cohorts.get(family, {})))
        for family in dict.fromkeys(f for s in splits for f in s.cohorts)
    }
    return {
        family: {group: _join_cohort(splits, family, group) for group in groups}
        for family, groups in names.items()
    }


def _join_cohort(splits: Sequence[SplitResult], family: str, group: str) -> Bools:
    parts = [
        split.cohorts.get(family, {}).get(group, np.zeros(len(split.users), dtype=np.bool_))
        for split in splits
    ]
    return np.concatenate(parts).astype(np.bool_)
