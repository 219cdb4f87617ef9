"""What a split hides: never shown to a model, never judged twice."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import SettingError
from simulations.holdout import MIN_SONGS, Holdout, hide_songs, hold_out
from simulations.listening import Listening
from simulations.splits import EvaluationConfig, cold_users


def places(matrix: sp.csr_array) -> set[tuple[int, int]]:
    rows, columns = sp.coo_array(matrix).coords
    return set(zip(rows.tolist(), columns.tolist(), strict=True))


@pytest.fixture(scope="module")
def split(listening: Listening) -> Holdout:
    return hold_out(listening, EvaluationConfig(), seed=0, channels=True)


def test_without_channels_only_the_cold_users_are_hidden(listening: Listening) -> None:
    plain = hold_out(listening, EvaluationConfig(), seed=0, channels=False)
    warm = np.ones(len(listening.users), dtype=bool)
    warm[plain.cold] = False
    assert places(plain.shown) == {p for p in places(listening.weights) if warm[p[0]]}
    assert not len(plain.fresh)
    assert not len(plain.judged)
    assert not len(plain.fitting)


def test_a_party_that_hides_cold_users_itself_learns_from_the_same_numbers_in_the_same_order(
    listening: Listening,
) -> None:
    # Else a federation of nodes would differ from its simulation in the last bits of its sums.
    split = hold_out(listening, EvaluationConfig(), seed=0, channels=False)
    simulated = listening.showing(split.shown).listening
    own = listening.item_data(split.cold).listening
    assert own.dtype == simulated.dtype
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(own, name), getattr(simulated, name))


def test_channels_do_not_change_who_is_cold(listening: Listening, split: Holdout) -> None:
    assert split.cold.tolist() == cold_users(listening, 0.2, seed=0).tolist()


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**20),
    shares=st.tuples(*(st.floats(0.05, 0.9) for _ in range(3))),
)
def test_every_play_is_shown_or_hidden_or_of_somebody_or_something_hidden(
    listening: Listening, seed: int, shares: tuple[float, float, float]
) -> None:
    config = EvaluationConfig(
        hidden_share=shares[0], fitting_share=shares[1], new_song_share=shares[2]
    )
    found = hold_out(listening, config, seed=seed, channels=True)
    shown, hidden, everything = map(places, (found.shown, found.hidden, listening.weights))
    cold, fresh = set(found.cold.tolist()), set(found.fresh.tolist())
    assert not shown & hidden
    assert shown | hidden == {p for p in everything if p[0] not in cold and p[1] not in fresh}
    assert not set(found.judged.tolist()) & set(found.fitting.tolist())
    assert not (set(found.judged.tolist()) | set(found.fitting.tolist())) & cold


def test_a_fifth_of_every_warm_users_songs_is_hidden_but_never_of_few(split: Holdout) -> None:
    kept, gone = np.diff(split.shown.indptr), np.diff(split.hidden.indptr)
    sizes = kept + gone
    due = np.where(sizes >= MIN_SONGS, sizes // 5, 0)
    np.testing.assert_array_equal(gone, due)


def test_the_same_seed_hides_the_same_songs_and_another_one_others(
    listening: Listening, split: Holdout
) -> None:
    again = hold_out(listening, EvaluationConfig(), seed=0, channels=True)
    other = hold_out(listening, EvaluationConfig(), seed=1, channels=True)
    assert places(again.hidden) == places(split.hidden)
    assert again.fresh.tolist() == split.fresh.tolist()
    assert places(other.hidden) != places(split.hidden)


def test_songs_of_which_nothing_is_known_are_never_hidden_whole(listening: Listening) -> None:
    bare = replace(listening, songs=None)
    assert not len(hold_out(bare, EvaluationConfig(), seed=0, channels=True).fresh)


@settings(max_examples=40, deadline=None)
@given(
    users=st.integers(1, 8),
    share=st.sampled_from([0.2, 0.5, 0.9]),
    least=st.integers(0, 9),
    seed=st.integers(0, 2**32 - 1),
)
def test_of_every_user_the_share_is_hidden_and_the_rest_is_kept(
    users: int, share: float, least: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    plays = rng.integers(0, 3, (users, 20)).astype(float)
    left, hidden = hide_songs(sp.csr_array(plays), share, rng, least=least)
    np.testing.assert_array_equal((left + hidden).toarray(), plays)
    assert not places(left) & places(hidden)
    sizes = (plays > 0).sum(axis=1)
    wanted = np.where(sizes >= least, np.floor(sizes * share), 0)
    assert np.diff(hidden.indptr).tolist() == wanted.tolist()


def test_every_song_of_a_user_is_as_likely_to_be_hidden() -> None:
    rng = np.random.default_rng(0)
    _, hidden = hide_songs(sp.csr_array(np.ones((4000, 5))), 0.4, rng)
    # 0.4 of 4000 with a standard deviation of 31.
    np.testing.assert_allclose(hidden.sum(axis=0), 1600, atol=150)


@pytest.mark.parametrize(
    ("name", "value"),
    [("hidden_share", 0.0), ("fitting_share", 1.0), ("new_song_share", -0.1)],
)
def test_a_share_that_is_none_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(SettingError, match=f"evaluation.{name}"):
        EvaluationConfig(**{name: value})
