from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulations.lift import (
    MIN_USERS,
    UnpairedError,
    activity_cohorts,
    label_cohorts,
    partner_cohorts,
    shown,
)


def groups_of(*sizes: int) -> dict[str, np.ndarray]:
    which = np.repeat(np.arange(len(sizes)), sizes)
    return {f"group {number}": which == number for number in range(len(sizes))}


def visible(*sizes: int) -> list[bool]:
    return list(shown(groups_of(*sizes), np.arange(sum(sizes))).values())


def test_users_are_told_apart_by_who_knows_them() -> None:
    known = np.array([[1, 1], [1, 0], [0, 0], [0, 1], [1, 0]], dtype=np.bool_)
    found = partner_cohorts(known, ("social", "forum"))
    assert {name: np.flatnonzero(rows).tolist() for name, rows in found.items()} == {
        "social + forum": [0],
        "forum only": [3],
        "social only": [1, 4],
        "no partner": [2],
    }


def test_a_single_partner_is_not_called_the_only_one() -> None:
    found = partner_cohorts(np.array([[True], [False]]), ("social",))
    assert set(found) == {"social", "no partner"}


def test_another_number_of_partners_is_refused() -> None:
    with pytest.raises(UnpairedError, match="columns"):
        partner_cohorts(np.zeros((4, 2), dtype=np.bool_), ("social",))


@given(st.lists(st.integers(0, 50), min_size=1, max_size=60))
@settings(deadline=None, max_examples=60)
def test_activity_parts_everybody_once_and_by_rank(plays: list[int]) -> None:
    found = activity_cohorts(plays)
    assert np.sum(list(found.values()), axis=0).tolist() == [1] * len(plays)
    values = np.array(plays)
    for lower, higher in combinations(
        [name for name in ("light", "medium", "heavy") if name in found], 2
    ):
        assert values[found[lower]].max() < values[found[higher]].min()


def test_activity_of_different_numbers_gives_three_equal_parts() -> None:
    assert [rows.sum() for rows in activity_cohorts(range(30)).values()] == [10, 10, 10]


def test_labels_become_cohorts() -> None:
    found = label_cohorts(["radio", "search", "radio"])
    assert {name: rows.tolist() for name, rows in found.items()} == {
        "radio": [True, False, True],
        "search": [False, True, False],
    }


def test_large_cohorts_are_shown() -> None:
    assert visible(MIN_USERS, MIN_USERS) == [True, True]


def test_one_small_cohort_hides_the_next_smallest_too() -> None:
    assert visible(100, 5, 60) == [True, False, False]


def test_small_cohorts_that_hide_each_other_hide_no_other() -> None:
    assert visible(100, 12, 12, 60) == [True, False, False, True]


def test_a_cohort_of_nearly_everybody_is_hidden() -> None:
    rows = {"nearly all": np.arange(100) < 95}
    assert shown(rows, np.arange(100)) == {"nearly all": False}


def test_one_person_in_many_splits_is_one_person() -> None:
    users = np.zeros(50, dtype=np.int64)
    assert shown({"all": np.ones(50, dtype=np.bool_)}, users) == {"all": False}


@given(st.lists(st.integers(1, 60), min_size=1, max_size=8))
@settings(deadline=None, max_examples=100)
def test_what_is_hidden_is_never_a_handful(sizes: list[int]) -> None:
    flags = visible(*sizes)
    hidden = sum(size for size, flag in zip(sizes, flags, strict=True) if not flag)
    assert all(size >= MIN_USERS for size, flag in zip(sizes, flags, strict=True) if flag)
    assert not any(flags) or hidden == 0 or hidden >= MIN_USERS
