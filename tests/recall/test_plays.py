import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from recall import ShapeError
from recall.plays import best_first, checked_plays, listener_counts, songs_of


def test_the_songs_of_a_history_come_newest_first_with_counts_and_ages() -> None:
    songs, counts, ages = songs_of(np.array([4, 1, 4, 2, 1]), 9)
    assert songs.tolist() == [1, 2, 4]
    assert counts.tolist() == [2, 1, 2]
    assert ages.tolist() == [0, 1, 2]


def test_songs_beyond_the_catalogue_are_passed_over_but_age_the_others() -> None:
    songs, counts, ages = songs_of(np.array([1, 7, -1]), 3)
    assert (songs.tolist(), counts.tolist(), ages.tolist()) == ([1], [1], [2])


def test_no_history_has_no_songs() -> None:
    assert all(len(each) == 0 for each in songs_of(np.empty(0, dtype=np.int64), 3))


@given(
    hnp.arrays(np.float32, st.integers(0, 30), elements=st.sampled_from([-1, 0, 0.5, 1, 2])),
    st.integers(1, 35),
)
@settings(deadline=None)
def test_the_best_scores_are_those_of_a_full_sort(scores: np.ndarray, k: int) -> None:
    slow = sorted(
        (place for place, x in enumerate(scores) if x > 0), key=lambda p: (-scores[p], p)
    )
    assert best_first(scores, k).tolist() == slow[:k]


def test_listeners_are_counted_however_often_they_played() -> None:
    plays = sp.csr_array(np.array([[2.0, 0, 0, 1], [5, 0, 0, 0]]))
    counts = listener_counts(plays)
    assert (counts.tolist(), counts.dtype) == ([2, 0, 0, 1], np.float64)


def test_plays_are_copied_and_merged() -> None:
    coordinates = (np.array([0, 0, 1]), np.array([1, 1, 0]))
    given_plays = sp.coo_array((np.array([1.0, 2.0, 0.0]), coordinates), shape=(2, 2))
    found = checked_plays(given_plays)
    assert found.toarray().tolist() == [[0, 3], [0, 0]]
    assert found.nnz == 1
    assert given_plays.nnz == 3


@pytest.mark.parametrize("plays", [[[0.0]], [[1.0, -1.0]], [[np.nan]], [[np.inf]]])
def test_plays_nothing_can_be_learnt_from_are_refused(plays: list[list[float]]) -> None:
    with pytest.raises(ShapeError, match="play"):
        checked_plays(sp.csr_array(plays))
