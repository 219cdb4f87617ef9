from collections.abc import Mapping

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from recall import NOTHING, ConfigError, LinearConfig, LinearModel, Query
from recall.linear import REASON, _unit_rows
from recall.ridge import ItemSide, UserSide, _quadratic_forms
from tests.recall.made_tastes import two_tastes

MATRICES = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 8), st.integers(2, 8)),
    elements=st.sampled_from([0.0, 0.0, 0.5, 1.0]),
)


def slow_weights(plays: np.ndarray, penalties: np.ndarray) -> np.ndarray:
    """Every column a ridge regression of one song on all others, solved by itself."""
    items = plays.shape[1]
    weights = np.zeros((items, items))
    for song in range(items):
        others = [other for other in range(items) if other != song]
        left = plays[:, others].T @ plays[:, others] + np.diag(penalties[others])
        weights[others, song] = np.linalg.solve(left, plays[:, others].T @ plays[:, song])
    return weights


@given(MATRICES, st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=60)
def test_both_sides_give_the_weights_of_one_regression_a_song(
    plays: np.ndarray, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    penalties = rng.uniform(0.5, 2.0, plays.shape[1])
    songs = rng.permutation(plays.shape[1])[: 1 + plays.shape[1] // 2]
    values = rng.uniform(0.1, 1.0, len(songs))
    expected = values @ slow_weights(plays, penalties)[songs]
    for side in (ItemSide, UserSide):
        solved = side.solve(sp.csr_array(plays), penalties)
        np.testing.assert_allclose(solved.scores(songs, values), expected, rtol=1e-4, atol=1e-6)


def test_quadratic_forms_in_parts_are_those_of_the_whole() -> None:
    rng = np.random.default_rng(0)
    rows, root = rng.random((7, 4)), rng.random((4, 4))
    kernel = root @ root.T
    for entries in (1, 8, 1000):
        found = _quadratic_forms(sp.csr_array(rows), kernel, entries)
        np.testing.assert_allclose(found, np.diag(rows @ kernel @ rows.T))


@pytest.mark.parametrize(("users", "side"), [(30, UserSide), (120, ItemSide)])
def test_the_smaller_side_is_inverted(users: int, side: type) -> None:
    plays, _ = two_tastes()
    assert isinstance(LinearModel.from_plays(plays[:users]).weights, side)


def test_beyond_the_limit_only_the_most_played_songs_are_learnt() -> None:
    plays, _ = two_tastes()
    model = LinearModel.from_plays(plays, LinearConfig(max_side=7))
    listeners = np.bincount(plays.indices, minlength=plays.shape[1])
    assert len(model.songs) == 7
    assert listeners[model.songs].min() >= np.sort(listeners)[-7]
    query = Query(history=plays.indices[:10].astype(np.int64))
    assert set(model.recall(query, 50).items.tolist()) <= set(model.songs.tolist())
    unlearnt = np.setdiff1d(np.arange(60), model.songs)
    assert model.recall(Query(history=unlearnt), 5) is NOTHING


def test_no_song_speaks_for_itself() -> None:
    plays = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1], [0, 0, 1.0]])
    found = LinearModel.from_plays(plays).recall(Query(history=np.array([2])), 3)
    assert 2 not in found.items


def shares_of_own_taste(plays: sp.csr_array, hidden: list[np.ndarray]) -> float:
    """Share of hidden songs among the first 20 new ones."""
    model = LinearModel.from_plays(plays)
    hits = 0
    for user, songs in enumerate(hidden):
        known = plays.indices[plays.indptr[user] : plays.indptr[user + 1]].astype(np.int64)
        found = model.recall(Query(history=known), 60).without(known).best(20)
        hits += len(np.intersect1d(found.items, songs))
    return hits / (3 * len(hidden))


def test_a_planted_taste_is_found_and_a_shuffled_one_is_not() -> None:
    chance = 20 / 50
    assert shares_of_own_taste(*two_tastes()) > 0.95
    assert shares_of_own_taste(*two_tastes(shuffled=True)) == pytest.approx(chance, abs=0.08)


def test_every_listener_counts_alike_however_much_is_played() -> None:
    plays = sp.csr_array(np.array([[1.0, 0, 0], [50, 3, 9]]))
    np.testing.assert_allclose(np.linalg.norm(_unit_rows(plays).toarray(), axis=1), 1.0)


def test_the_linear_channel_gives_one_reason_for_all() -> None:
    found = LinearModel.from_plays(two_tastes()[0]).recall(Query(history=np.array([2, 4])), 9)
    assert (len(found), set(found.reasons)) == (9, {REASON})


@pytest.mark.parametrize("history", [[], [99]])
def test_a_user_without_a_learnt_song_gets_nothing(history: list[int]) -> None:
    plays, _ = two_tastes()
    query = Query(history=np.array(history, dtype=np.int64))
    assert LinearModel.from_plays(plays).recall(query, 5) is NOTHING


@pytest.mark.parametrize(
    "wrong", [{"ridge": 0.0}, {"ridge": np.inf}, {"dropout": 1.0}, {"max_side": 0}]
)
def test_settings_out_of_range_are_refused(wrong: Mapping[str, float]) -> None:
    with pytest.raises(ConfigError, match="linear"):
        LinearConfig(**wrong)  # type: ignore[arg-type]
