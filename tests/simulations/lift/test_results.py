from dataclasses import replace

import numpy as np
import pytest

from simulations.lift import Pooled, SystemResult, UnpairedError
from tests.simulations.lift.made_splits import FACTORS, made_split


def test_splits_are_laid_end_to_end() -> None:
    first, second = made_split(0, users=5), made_split(1, users=3)
    pooled = Pooled.of([first, second])
    assert pooled.systems == tuple(FACTORS)
    assert pooled.values.shape == (8, len(FACTORS), 1)
    assert pooled.splits.tolist() == [0] * 5 + [1] * 3
    assert pooled.users.tolist() == [*first.users, *second.users]
    place = pooled.place("central", "recall@50")
    expected = [*first.systems[3].per_user["recall@50"], *second.systems[3].per_user["recall@50"]]
    assert pooled.values[:, *place].tolist() == expected


def test_a_cohort_that_one_split_lacks_has_nobody_there() -> None:
    first = made_split(0, users=4)
    second = replace(made_split(1, users=2), cohorts={"half": {"second": np.array([True, False])}})
    cohorts = Pooled.of([first, second]).cohorts["half"]
    assert cohorts["first"].tolist() == [True, True, False, False, False, False]
    assert cohorts["second"].tolist() == [False] * 4 + [True, False]


def test_a_subset_keeps_the_rows_it_names() -> None:
    pooled = Pooled.of([made_split(0, users=6)])
    part = pooled.where(pooled.cohorts["half"]["first"])
    np.testing.assert_array_equal(part.values, pooled.values[:3])
    assert part.users.tolist() == pooled.users[:3].tolist()


def test_no_split_is_refused() -> None:
    with pytest.raises(UnpairedError, match="no split"):
        Pooled.of([])


def test_splits_of_other_systems_are_refused() -> None:
    split = made_split(1)
    fewer = replace(split, systems=split.systems[:2])
    with pytest.raises(UnpairedError, match="other systems"):
        Pooled.of([made_split(0), fewer])


def test_a_user_twice_in_one_split_is_refused() -> None:
    split = made_split(0, users=2)
    with pytest.raises(UnpairedError, match="twice"):
        replace(split, users=np.array([7, 7]))
    with pytest.raises(UnpairedError, match="no users"):
        replace(split, users=np.array([], dtype=np.int64))


def test_a_system_twice_or_none_is_refused() -> None:
    split = made_split(0)
    for systems in ((), (split.systems[0], split.systems[0])):
        with pytest.raises(UnpairedError, match="systems"):
            replace(split, systems=systems)


def test_systems_with_other_metrics_are_refused() -> None:
    split = made_split(0)
    odd = SystemResult(name="odd", per_user={"hit@50": np.ones(200)})
    with pytest.raises(UnpairedError, match="same metrics"):
        replace(split, systems=(*split.systems, odd))


@pytest.mark.parametrize("scores", [np.ones(199), np.full(200, np.nan), np.ones((200, 1))])
def test_scores_that_do_not_fit_the_users_are_refused(scores: np.ndarray) -> None:
    odd = SystemResult(name="odd", per_user={"recall@50": scores})
    with pytest.raises(UnpairedError, match="200 finite"):
        replace(made_split(0), systems=(odd,))


def test_a_cohort_that_does_not_fit_the_users_is_refused() -> None:
    with pytest.raises(UnpairedError, match="half"):
        replace(made_split(0), cohorts={"half": {"first": np.array([True])}})
