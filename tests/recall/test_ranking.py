import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recall import Candidates, Pool
from recall.ranking import best_order, reciprocal_ranks, turns
from tests.recall.made_channels import made_lists, ranked

WEIGHTS = st.lists(st.floats(0, 5), min_size=4, max_size=4)


@given(made_lists(), WEIGHTS, st.sampled_from([0.0, 1.0, 60.0]))
@settings(deadline=None)
def test_reciprocal_ranks_equal_the_slow_formula(
    lists: dict[str, Candidates], weights: list[float], constant: float
) -> None:
    pool = Pool.of(lists)
    found = reciprocal_ranks(pool, weights[: len(lists)], constant)
    for item, score in zip(pool.items.tolist(), found, strict=True):
        slow = 0.0
        for name, weight in zip(sorted(lists), weights, strict=False):
            order = lists[name].items.tolist()
            if item in order:
                slow += weight / (constant + order.index(item) + 1)
        assert score == pytest.approx(slow)


def test_an_item_two_channels_agree_on_beats_the_first_of_either() -> None:
    pool = Pool.of({"a": ranked([1, 3]), "b": ranked([2, 3])})
    order = best_order(pool, reciprocal_ranks(pool, [1, 1], 60))
    assert pool.items[order].tolist() == [3, 1, 2]


def test_channels_take_turns_as_often_as_their_shares_say() -> None:
    pool = Pool.of({"a": ranked(range(10)), "b": ranked(range(10, 20))})
    first = pool.items[best_order(pool, turns(pool, [0.75, 0.25]))][:8]
    assert (first < 10).sum() == 6
    assert sorted(first.tolist()) == [0, 1, 2, 3, 4, 5, 10, 11]


def test_a_channel_without_a_share_comes_last() -> None:
    pool = Pool.of({"a": ranked([4, 5]), "b": ranked([1, 2])})
    assert pool.items[best_order(pool, turns(pool, [1.0, 0.0]))].tolist() == [4, 5, 1, 2]


def test_equal_scores_are_ordered_by_the_tie_breaker_and_then_by_number() -> None:
    pool = Pool.of({"a": ranked([3, 1, 2])})
    ones = np.ones(3)
    assert pool.items[best_order(pool, ones)].tolist() == [1, 2, 3]
    assert pool.items[best_order(pool, ones, np.array([0.0, 1.0, 1.0]))].tolist() == [2, 3, 1]
