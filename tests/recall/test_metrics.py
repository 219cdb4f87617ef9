import math

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from recall import (
    NoTruthError,
    ShapeError,
    gini,
    has_truth,
    list_metrics,
    ranked_rows,
    user_metrics,
)


@st.composite
def made_lists(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Ranked lists, some short, and a dense truth with at least one item a user."""
    users, items = draw(st.integers(1, 6)), draw(st.integers(2, 15))
    length = draw(st.integers(1, items))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    ranked = np.array([rng.permutation(items)[:length] for _ in range(users)], dtype=np.int64)
    for row in ranked:
        row[rng.integers(0, length + 1) :] = -1
    truth = np.where(rng.random((users, items)) < 0.4, rng.integers(1, 9, (users, items)), 0)
    truth[np.arange(users), rng.integers(0, items, users)] = 3
    return ranked, truth


def slow_metrics(row: np.ndarray, truth: np.ndarray, k: int) -> dict[str, float]:
    """The formulas of one user, written as in a textbook."""
    true = {item for item, weight in enumerate(truth) if weight > 0}
    shown = [int(item) for item in row[:k]]
    gains = [1 / math.log2(place + 2) for place, item in enumerate(shown) if item in true]
    ideal = sum(1 / math.log2(place + 2) for place in range(min(k, len(true))))
    hits = [item for item in shown if item in true]
    return {
        f"recall@{k}": len(hits) / len(true),
        f"ndcg@{k}": sum(gains) / ideal,
        f"hit@{k}": float(bool(hits)),
        f"weighted_recall@{k}": sum(truth[i] for i in hits) / sum(truth),
    }


@given(made_lists())
@settings(deadline=None, max_examples=60)
def test_user_metrics_equal_the_textbook_formulas(made: tuple[np.ndarray, np.ndarray]) -> None:
    ranked, truth = made
    cutoffs = range(1, ranked.shape[1] + 1)
    fast = user_metrics(ranked, sp.csr_array(truth), cutoffs=cutoffs)
    assert len(fast) == 4 * len(cutoffs)
    for user, row in enumerate(ranked):
        for k in cutoffs:
            for name, value in slow_metrics(row, truth[user], k).items():
                assert fast[name][user] == pytest.approx(value)


@given(made_lists())
@settings(deadline=None, max_examples=60)
def test_list_metrics_equal_the_textbook_formulas(made: tuple[np.ndarray, np.ndarray]) -> None:
    ranked, truth = made
    plays = truth.sum(axis=0)
    k = ranked.shape[1]
    shown = [int(item) for item in ranked.ravel() if item >= 0]
    if not shown:
        with pytest.raises(ShapeError, match="every list is empty"):
            list_metrics(ranked, plays, cutoffs=(k,))
        return
    found = list_metrics(ranked, plays, cutoffs=(k,))
    total = sum(plays) + len(plays)
    bits = [-math.log2((plays[item] + 1) / total) for item in shown]
    counts = [shown.count(item) for item in range(len(plays))]
    gaps = sum(abs(a - b) for a in counts for b in counts)
    assert found[f"coverage@{k}"] == pytest.approx(len(set(shown)) / len(plays))
    assert found[f"novelty@{k}"] == pytest.approx(sum(bits) / len(bits))
    assert found[f"gini@{k}"] == pytest.approx(gaps / (2 * len(counts) * sum(counts)))


@given(st.lists(st.integers(0, 6), max_size=5), st.integers(1, 5))
def test_lists_become_rows_that_are_cut_or_filled_up(lengths: list[int], k: int) -> None:
    lists = [np.arange(10, 10 + length) for length in lengths]
    rows = ranked_rows(lists, k)
    assert rows.shape == (len(lists), k)
    assert rows.dtype == np.int64
    for row, items in zip(rows.tolist(), lists, strict=True):
        assert row == [*items[:k].tolist(), *[-1] * (k - len(items))]


def test_a_perfect_list_scores_one_everywhere() -> None:
    truth = sp.csr_array(np.eye(3, 5))
    ranked = np.arange(3)[:, np.newaxis]
    for values in user_metrics(ranked, truth, cutoffs=(1,)).values():
        assert values.tolist() == [1.0, 1.0, 1.0]


def test_weights_change_only_the_weighted_recall() -> None:
    ranked = np.array([[0, 1]])
    light = user_metrics(ranked, sp.csr_array([[1, 0, 1]]), cutoffs=(2,))
    heavy = user_metrics(ranked, sp.csr_array([[3, 0, 1]]), cutoffs=(2,))
    assert light["recall@2"] == heavy["recall@2"]
    assert light["ndcg@2"] == heavy["ndcg@2"]
    assert (light["weighted_recall@2"], heavy["weighted_recall@2"]) == (0.5, 0.75)


def test_the_truth_is_not_changed() -> None:
    truth = sp.csr_array((np.array([1.0, 0.0]), np.array([1, 0]), np.array([0, 2])), shape=(1, 3))
    user_metrics(np.array([[1]]), truth, cutoffs=(1,))
    assert truth.nnz == 2


def test_users_without_truth_are_refused_with_their_number() -> None:
    truth = sp.csr_array(np.array([[0, 1], [0, 0], [0, 0]]))
    ranked = np.zeros((3, 1), dtype=np.int64)
    with pytest.raises(NoTruthError, match="2 of 3"):
        user_metrics(ranked, truth, cutoffs=(1,))
    kept = has_truth(truth)
    assert kept.tolist() == [True, False, False]
    assert user_metrics(ranked[kept], truth[kept], cutoffs=(1,))["recall@1"].tolist() == [0.0]


def test_no_user_at_all_is_refused() -> None:
    with pytest.raises(NoTruthError):
        user_metrics(np.empty((0, 1), dtype=np.int64), sp.csr_array((0, 2)), cutoffs=(1,))


@pytest.mark.parametrize(
    ("ranked", "cutoffs", "reason"),
    [
        (np.array([[0, 0]]), (1,), "twice"),
        (np.array([[-1, 0]]), (1,), "behind the end"),
        (np.array([[3]]), (1,), "outside"),
        (np.array([[-2]]), (1,), "outside"),
        (np.array([[0]]), (2,), "cut-offs"),
        (np.array([[0]]), (0,), "cut-offs"),
        (np.array([[0]]), (), "cut-offs"),
        (np.array([0]), (1,), "ranked must be"),
        (np.array([[0.0]]), (1,), "ranked must be"),
        (np.array([[0], [1]]), (1,), "ranked must be"),
    ],
)
def test_lists_that_make_no_sense_are_refused(
    ranked: np.ndarray, cutoffs: tuple[int, ...], reason: str
) -> None:
    with pytest.raises(ShapeError, match=reason):
        user_metrics(ranked, sp.csr_array([[1.0, 0.0, 2.0]]), cutoffs=cutoffs)


@pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
def test_a_truth_that_is_no_weight_is_refused(weight: float) -> None:
    with pytest.raises(ShapeError, match="truth"):
        user_metrics(np.array([[0]]), sp.csr_array([[weight, 1.0]]), cutoffs=(1,))


@pytest.mark.parametrize("plays", [[-1.0, 2.0], [math.nan, 1.0], [[1.0, 2.0]]])
def test_a_popularity_that_is_no_count_is_refused(plays: list[float]) -> None:
    with pytest.raises(ShapeError, match="popularity"):
        list_metrics(np.array([[0]]), plays, cutoffs=(1,))


def test_gini_is_zero_for_equals_and_near_one_for_a_winner() -> None:
    assert gini([4, 4, 4, 4]) == pytest.approx(0)
    assert gini([0, 0, 0, 9]) == pytest.approx(3 / 4)


@pytest.mark.parametrize("counts", [[0, 0], [-1, 5], [[1, 2]]])
def test_gini_of_no_counts_is_refused(counts: list[int]) -> None:
    with pytest.raises(ShapeError, match="gini"):
        gini(counts)
