import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from towers.errors import FeatureError
from towers.ranking import hit_rate, mean_ndcg, target_ranks


@given(st.integers(1, 12), st.integers(2, 25), st.integers(0, 999))
@settings(deadline=None, max_examples=60)
def test_ranks_equal_the_slow_count(users: int, items: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(items, 3)).astype(np.float32)
    queries = [rng.normal(size=(rng.integers(1, 4), 3)).astype(np.float32) for _ in range(users)]
    seen = [rng.integers(items, size=rng.integers(0, items)) for _ in range(users)]
    targets = rng.integers(items, size=users)
    found = target_ranks(queries, vectors, seen=seen, targets=targets)
    for user, target in enumerate(targets):
        scores = (queries[user] @ vectors.T).max(axis=0)
        left = set(range(items)) - set(seen[user].tolist()) - {int(target)}
        assert found[user] == sum(scores[item] >= scores[target] for item in left)


def test_many_users_are_ranked_block_by_block() -> None:
    vectors = np.eye(3, dtype=np.float32)
    queries = [vectors[[number % 3]] for number in range(600)]
    nothing = [np.empty(0, dtype=np.int64)] * 600
    ranks = target_ranks(queries, vectors, seen=nothing, targets=np.arange(600) % 3)
    assert not ranks.any()


def test_a_model_that_cannot_tell_items_apart_ranks_last() -> None:
    vectors = np.ones((10, 2), dtype=np.float32)
    ranks = target_ranks([vectors[:1]], vectors, seen=[np.array([3])], targets=np.array([5]))
    assert ranks.tolist() == [8]


def test_metrics_are_the_textbook_formulas() -> None:
    ranks = np.array([0, 1, 9, 10])
    assert hit_rate(ranks, 10) == 0.75
    expected = (1 + 1 / math.log2(3) + 1 / math.log2(11)) / 4
    assert mean_ndcg(ranks, 10) == pytest.approx(expected)


def test_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(FeatureError, match="one entry a user"):
        target_ranks([], np.eye(2, dtype=np.float32), seen=[], targets=np.array([0]))
