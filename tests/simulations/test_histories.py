"""What each user played, in order."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from simulations.histories import histories, in_order, played
from simulations.holdout import Holdout, hold_out
from simulations.listening import Listening
from simulations.splits import EvaluationConfig

SHOWN = sp.csr_array(np.array([[5.0, 0, 1, 3], [0, 0, 0, 0]]))


@pytest.fixture(scope="module")
def split(listening: Listening) -> Holdout:
    return hold_out(listening, EvaluationConfig(), seed=0, channels=True)


@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 9), st.integers(0, 4))))
def test_plays_are_dealt_out_as_one_by_one(plays: list[tuple[int, int, int]]) -> None:
    owner, songs, when = np.array(plays, dtype=np.int64).reshape(-1, 3).T
    in_time = sorted(plays, key=lambda play: play[2])
    wanted = [[song for who, song, _ in in_time if who == user] for user in range(4)]
    assert [each.tolist() for each in in_order(owner, songs, when, users=4)] == wanted


def test_a_history_ends_with_the_song_heard_last(listening: Listening, split: Holdout) -> None:
    assert listening.heard_at is not None
    everybody = histories(split.shown, listening.heard_at)
    assert len(everybody) == len(listening.users)
    for user in split.judged[:20].tolist():
        times = [listening.heard_at[user, song] for song in everybody[user].tolist()]
        assert times == sorted(times)
        assert sorted(everybody[user].tolist()) == played(split.shown, user).tolist()


def test_a_cold_user_has_no_history(listening: Listening, split: Holdout) -> None:
    everybody = histories(split.shown, listening.heard_at)
    assert not any(len(everybody[user]) for user in split.cold.tolist())


def test_without_times_a_history_ends_with_the_song_played_most() -> None:
    assert [each.tolist() for each in histories(SHOWN)] == [[2, 3, 0], []]


@pytest.mark.parametrize("heard_at", [None, sp.csr_array((2, 3))])
def test_where_nobody_played_every_history_is_empty(heard_at: sp.csr_array | None) -> None:
    assert [len(each) for each in histories(sp.csr_array((2, 3)), heard_at)] == [0, 0]


def test_a_users_songs_are_those_of_the_row() -> None:
    assert played(SHOWN, 0).tolist() == [0, 2, 3]
    assert played(SHOWN, 0).dtype == np.int64
    assert not len(played(SHOWN, 1))
