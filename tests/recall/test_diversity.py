import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recall import ShapeError, intra_list_diversity
from recall.diversity import marginal_order


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / length if length else 0.0


def slow_order(
    scores: np.ndarray, vectors: np.ndarray | None, groups: np.ndarray | None, relevance: float
) -> list[int]:
    """Carbonell & Goldstein's formula, with every likeness worked out anew."""

    def likeness(i: int, j: int) -> float:
        if groups is not None and groups[i] == groups[j] >= 0:
            return 1.0
        return 0.0 if vectors is None else cosine(vectors[i], vectors[j])

    spread = scores.max() - scores.min()
    fit = (scores - scores.min()) / spread if spread else np.ones(len(scores))
    taken: list[int] = []
    while len(taken) < len(scores):
        values = {
            i: relevance * fit[i]
            - (1 - relevance) * max((likeness(i, j) for j in taken), default=0.0)
            for i in range(len(scores))
            if i not in taken
        }
        most = max(values.values())
        taken.append(min(i for i, value in values.items() if value >= most - 1e-9))
    return taken


@given(
    st.integers(1, 9),
    st.sampled_from([0.0, 0.3, 0.7, 1.0]),
    st.sampled_from([(True, False), (False, True), (True, True)]),
    st.integers(0, 2**32 - 1),
)
@settings(deadline=None, max_examples=80)
def test_the_order_is_that_of_the_slow_formula(
    n: int, relevance: float, given_facts: tuple[bool, bool], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    scores = np.sort(rng.random(n))[::-1]
    vectors = rng.normal(size=(n, 3)).astype(np.float32) if given_facts[0] else None
    groups = rng.integers(-1, 3, n) if given_facts[1] else None
    found = marginal_order(scores, vectors=vectors, groups=groups, relevance=relevance)
    assert found.tolist() == slow_order(scores, vectors, groups, relevance)


def test_looking_at_fit_alone_keeps_the_order() -> None:
    same = np.ones((5, 2), dtype=np.float32)
    order = marginal_order(np.arange(5.0)[::-1], vectors=same, groups=None, relevance=1.0)
    assert order.tolist() == [0, 1, 2, 3, 4]


def test_a_second_song_of_an_artist_waits_for_another_artist() -> None:
    groups = np.array([7, 7, 8])
    scores = np.array([1.0, 0.9, 0.6])
    order = marginal_order(scores, vectors=None, groups=groups, relevance=0.5)
    assert order.tolist() == [0, 2, 1]


@pytest.mark.parametrize("n", [0, 1])
def test_short_lists_stay_as_they_are(n: int) -> None:
    vectors = np.zeros((n, 2), dtype=np.float32)
    order = marginal_order(np.ones(n), vectors=vectors, groups=None, relevance=0.5)
    assert order.tolist() == list(range(n))


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=60)
def test_intra_list_diversity_is_the_mean_distance_of_all_pairs(length: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(8, 3)) * rng.integers(0, 2, (8, 1))
    rows = np.array([rng.permutation(8)[:length] for _ in range(4)], dtype=np.int64)
    for row in rows:
        row[rng.integers(0, length + 1) :] = -1
    found = intra_list_diversity(rows, vectors, cutoffs=(length,))[f"diversity@{length}"]
    for row, value in zip(rows, found, strict=True):
        shown = row[row >= 0]
        pairs = [(a, b) for place, a in enumerate(shown) for b in shown[:place]]
        slow = [1 - cosine(vectors[a], vectors[b]) for a, b in pairs]
        assert value == pytest.approx(np.mean(slow) if slow else 0.0)


def test_diversity_over_vectors_that_are_none_is_refused() -> None:
    with pytest.raises(ShapeError, match="vectors"):
        intra_list_diversity(np.array([[0]]), np.array([[np.nan]]), cutoffs=(1,))
    with pytest.raises(ShapeError, match="outside"):
        intra_list_diversity(np.array([[3]]), np.ones((2, 2)), cutoffs=(1,))
