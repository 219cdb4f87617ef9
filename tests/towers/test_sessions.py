import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from towers.errors import ConfigError, FeatureError
from towers.sessions import Contexts, Sessions, batches


def sessions_of(*lists: list[int], count: int = 9, ordered: bool = True) -> Sessions:
    songs = np.array([song for each in lists for song in each], dtype=np.int64)
    session = np.repeat(np.arange(len(lists)), [len(each) for each in lists])
    return Sessions.of(songs, session, count=count, ordered=ordered)


some_sessions = st.lists(st.lists(st.integers(0, 8), min_size=1, max_size=7), max_size=5)


@given(some_sessions, st.integers(1, 3), st.booleans())
@settings(deadline=None, max_examples=80)
def test_pairs_are_near_each_other_in_one_session(
    lists: list[list[int]], window: int, ordered: bool
) -> None:
    songs, near = Contexts(window=window, draws=4).epoch(
        sessions_of(*lists, ordered=ordered), np.random.default_rng(0)
    )
    reach = window if ordered else 99
    allowed = {
        (a, b)
        for each in lists
        for i, a in enumerate(each)
        for j, b in enumerate(each)
        if i != j and a != b and abs(i - j) <= reach
    }
    assert set(zip(songs.tolist(), near.tolist(), strict=True)) <= allowed


def test_every_play_is_taught_as_often_and_with_all_that_is_near() -> None:
    songs, near = Contexts(window=1, draws=300).epoch(
        sessions_of([0, 1, 2], [3, 4]), np.random.default_rng(0)
    )
    assert np.bincount(songs).tolist() == [300] * 5
    middle = np.bincount(near[songs == 1], minlength=3)
    assert middle[1] == 0
    assert min(middle[0], middle[2]) > 100


def test_frequent_songs_are_thinned_and_rare_ones_kept() -> None:
    lists = [[0, 1 + number % 8] for number in range(400)]
    songs, _ = Contexts(draws=1, thin_above=0.1).epoch(
        sessions_of(*lists), np.random.default_rng(0)
    )
    frequent, rare = (songs == 0).sum(), (songs == 1).sum()
    assert 100 < frequent < 250  # of 400; the root of 0.1 / 0.5 is 0.45
    assert rare < 50  # a partner that is left out leaves a play alone


def test_batches_are_all_pairs_in_their_order() -> None:
    pairs = (np.arange(7), np.arange(7) + 10)
    runs = list(batches(pairs, 3))
    assert [len(songs) for songs, _ in runs] == [3, 3, 1]
    assert np.concatenate([near for _, near in runs]).tolist() == pairs[1].tolist()


def test_no_session_gives_no_pair() -> None:
    songs, near = Contexts().epoch(sessions_of(), np.random.default_rng(0))
    assert len(songs) == len(near) == 0


@pytest.mark.parametrize(
    ("songs", "starts", "complaint"),
    [
        ([[0]], [0, 1], "vectors"),
        ([0], [], "vectors"),
        ([0, 1], [0, 1], "ascend"),
        ([0, 1], [1, 2], "ascend"),
        ([0, 1], [0, 2, 1, 2], "ascend"),
        ([9], [0, 1], "outside 0 … 8"),
        ([-1], [0, 1], "outside"),
    ],
)
def test_sessions_that_make_no_sense_are_refused(
    songs: list[int], starts: list[int], complaint: str
) -> None:
    with pytest.raises(FeatureError, match=complaint):
        Sessions(songs=np.array(songs), starts=np.array(starts, dtype=np.int64), count=9)


@pytest.mark.parametrize("change", [{"window": 0}, {"draws": 0}, {"thin_above": 0.0}])
def test_contexts_out_of_range_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="window"):
        Contexts(**change)
