from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import logsigmoid

from towers.adagrad import AdagradTable
from towers.errors import ConfigError
from towers.sessions import Contexts, Sessions
from towers.song2vec import SongEpoch, SongVectors, skip_gram, train_song2vec
from towers.song2vec_config import Song2VecConfig

SONGS, TASTES = 60, 6
QUICK = Song2VecConfig(
    dim=16, epochs=12, contexts=Contexts(draws=3), batch_pairs=256, shared_negatives=32
)


def taste_sessions(rng: np.random.Generator, sessions: int = 300) -> Sessions:
    """Each session keeps to the songs of one taste: song number modulo TASTES."""
    taste = rng.integers(TASTES, size=sessions)
    songs = taste[:, None] + TASTES * rng.integers(SONGS // TASTES, size=(sessions, 6))
    return Sessions.of(songs.ravel(), np.repeat(np.arange(sessions), 6), count=SONGS)


def share_of_own_taste(vectors: SongVectors, songs: npt.NDArray[np.int64]) -> float:
    """How many of the nine nearest songs are of a song's taste; one in six by chance."""
    scores = vectors.history[songs] @ vectors.items.T
    scores[np.arange(len(songs)), songs] = -np.inf
    nearest = np.argsort(-scores, axis=1)[:, :9]
    return float((nearest % TASTES == songs[:, None] % TASTES).mean())


@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 3), st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_the_gradient_is_that_of_the_written_loss(
    pairs: int, negatives: int, dim: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    u, v, n = (
        torch.randn(rows, dim, generator=generator, dtype=torch.float64, requires_grad=True)
        for rows in (pairs, pairs, negatives)
    )
    wanted = sum(
        -logsigmoid(u[i] @ v[i]) - 0.3 * sum(logsigmoid(-u[i] @ n[j]) for j in range(negatives))
        for i in range(pairs)
    )
    assert isinstance(wanted, torch.Tensor)
    wanted.backward()
    loss, du, dv = skip_gram(u.detach(), v.detach(), n.detach(), ratio=0.3)
    assert loss == pytest.approx(wanted.item())
    assert u.grad is not None
    assert v.grad is not None
    assert n.grad is not None
    torch.testing.assert_close(du, u.grad)
    torch.testing.assert_close(dv, torch.cat([v.grad, n.grad]))


def test_a_row_steps_against_its_gradient_by_the_rate_and_others_stay() -> None:
    table = AdagradTable((5, 3), 0.1, torch.Generator().manual_seed(0))
    before = table.rows.clone()
    rows = torch.tensor([4, 1])
    table.apply(rows, torch.ones(2, 3))
    moved = (table.rows - before).numpy()
    # Adagrad's first step has the length of the rate, whatever the gradient's.
    assert np.flatnonzero(moved.any(axis=1)).tolist() == [1, 4]
    np.testing.assert_allclose(moved[[1, 4]], -0.1, rtol=1e-3)
    table.apply(rows, torch.ones(2, 3))
    np.testing.assert_allclose((table.rows - before).numpy()[4], -0.1 - 0.1 / 2**0.5, rtol=1e-3)


def test_songs_of_one_session_come_to_lie_together_and_shuffled_plays_do_not() -> None:
    rng = np.random.default_rng(0)
    sessions = taste_sessions(rng)
    every = np.arange(SONGS)
    learnt = share_of_own_taste(train_song2vec(QUICK, sessions, seed=0), every)
    shuffled = replace(sessions, songs=rng.permutation(sessions.songs))
    chance = share_of_own_taste(train_song2vec(QUICK, shuffled, seed=0), every)
    assert learnt > 0.8
    assert chance < 0.3


def test_the_same_seed_gives_the_same_vectors_and_another_one_others() -> None:
    sessions = taste_sessions(np.random.default_rng(0), 40)
    one, two, other = (
        train_song2vec(replace(QUICK, epochs=2), sessions, seed=seed).items for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


def test_popularity_decides_how_far_up_played_songs_come() -> None:
    sessions = Sessions.of(np.array([0, 1, 0, 2, 0, 1]), np.zeros(6, dtype=np.int64), count=4)
    config = replace(QUICK, epochs=1, popularity=0.0)
    vectors = train_song2vec(config, sessions, seed=0)
    assert vectors.items[:, -1].tolist() == [0.0] * 4
    famous = vectors.with_popularity(1.0, sessions.plays())
    np.testing.assert_allclose(famous.items[:, -1], np.log([3.5, 2.5, 1.5, 0.5]), rtol=1e-6)
    np.testing.assert_array_equal(famous.items[:, :-1], vectors.items[:, :-1])
    assert (vectors.history[:, -1] == 1).all()


def test_training_tells_every_epoch_and_the_loss_falls() -> None:
    told: list[SongEpoch] = []
    sessions = taste_sessions(np.random.default_rng(0))
    vectors = train_song2vec(QUICK, sessions, seed=0, watch=told.append)
    assert [epoch.number for epoch in told] == list(range(1, 13))
    assert told[-1].loss < 0.8 * told[0].loss
    np.testing.assert_array_equal(told[-1].vectors().items, vectors.items)


def test_without_a_session_every_song_is_as_it_began() -> None:
    silent = Sessions.of(np.empty(0, np.int64), np.empty(0, np.int64), count=SONGS)
    vectors = train_song2vec(QUICK, silent, seed=0)
    assert np.isfinite(vectors.items).all()


@pytest.mark.parametrize(
    "change",
    [
        {"dim": 0},
        {"epochs": 0},
        {"negative_power": 2.0},
        {"popularity": -0.1},
        {"learning_rate": 0.0},
        {"negatives": 0.0},
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        Song2VecConfig(**change)
