"""Groups of users worth looking at on their own, and which of them may be shown."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from simulations.lift.errors import UnpairedError

Bools = npt.NDArray[np.bool_]

MIN_USERS = 20
"""Below this a cohort is not shown: too noisy to read, and too close to single people."""


def partner_cohorts(known: Bools, partners: Sequence[str]) -> Mapping[str, Bools]:
    """Users by which partners know them.

    Args:
        known: (users, partners).
        partners: the partners' names.

    Returns:
        "social + forum", "social only" …, "no partner" to (users,); only those that occur.

    Raises:
        UnpairedError: `known` does not have a column for each partner.
    """
    if known.ndim != 2 or known.shape[1] != len(partners):
        raise UnpairedError(f"known {known.shape} needs {len(partners)} columns")
    patterns, which = np.unique(known.astype(np.bool_), axis=0, return_inverse=True)
    order = np.argsort(-patterns.sum(axis=1), kind="stable")
    return {_pattern_name(patterns[i], partners): which.ravel() == i for i in order}


def activity_cohorts(plays: npt.ArrayLike) -> Mapping[str, Bools]:
    """Users in three parts of about equal size by how much they listened.

    Args:
        plays: (users,) items or plays in the hidden history.

    Returns:
        "light", "medium" and "heavy" listeners to (users,). Equal numbers stay together,
        so with many ties a part can be larger, or empty and left out.
    """
    values = np.asarray(plays, dtype=np.float64)
    low, high = np.quantile(values, (1 / 3, 2 / 3))
    parts = {
        "light": values <= low,
        "medium": (values > low) & (values <= high),
        "heavy": values > max(low, high),
    }
    return {name: part for name, part in parts.items() if part.any()}


def label_cohorts(labels: Sequence[str] | npt.NDArray[np.str_]) -> Mapping[str, Bools]:
    """Users by a label each: a segment, or the entry point most of their plays came from."""
    values = np.asarray(labels, dtype=np.str_)
    return {str(label): values == label for label in np.unique(values)}


def shown(groups: Mapping[str, Bools], users: npt.NDArray[np.int64]) -> Mapping[str, bool]:
    """Which cohorts of one family may be shown.

    A cohort of fewer than `MIN_USERS` people is hidden. So that a hidden cohort cannot be
    worked out as "everybody less those shown", the smallest shown one is hidden as well
    until the hidden people are none or at least `MIN_USERS`; people in no cohort count
    as hidden.

    Args:
        groups: cohort to (rows,) membership.
        users: (rows,) the person a row speaks of.

    Returns:
        Every cohort's name to whether it may be shown.
    """
    sizes = {name: len(np.unique(users[rows])) for name, rows in groups.items()}
    visible = {name for name, size in sizes.items() if size >= MIN_USERS}
    while visible and 0 < _hidden(visible, groups, users) < MIN_USERS:
        visible.remove(min(visible, key=lambda name: (sizes[name], name)))
    return {name: name in visible for name in groups}


def _hidden(names: set[str], groups: Mapping[str, Bools], users: npt.NDArray[np.int64]) -> int:
    """How many people have a row that is in none of the cohorts."""
    covered = np.any([groups[name] for name in names], axis=0)
    return len(np.unique(users[~covered]))


def _pattern_name(pattern: Bools, partners: Sequence[str]) -> str:
    known = [name for name, known in zip(partners, pattern, strict=True) if known]
    if not known:
        return "no partner"
    return f"{known[0]} only" if len(known) == 1 < len(partners) else " + ".join(known)
