"""Songs that nobody has played yet."""

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse as sp
import torch

from tests.towers.made import SONGS, TASTES, checkerboard, make_trainer
from towers.config import TrainerConfig
from towers.dssm import SideCodes
from towers.features import Floats
from towers.fresh import expected_prior, fresh_songs
from towers.loss import NegativeSampler

NEW = np.arange(40, 60)


def codes_of(taste: npt.NDArray[np.int64]) -> Floats:
    return np.eye(TASTES, dtype=np.float32)[taste] * 0.8


def recall_of_new_songs(song_codes: Floats, config: TrainerConfig) -> float:
    """Share of the new songs of a user's taste among the best five of all new songs."""
    plays, taste = checkerboard(np.random.default_rng(0))
    known = np.ones(SONGS, np.float32)
    known[NEW] = 0
    train = sp.csr_array(plays @ sp.diags_array(known), dtype=np.float32)
    train.eliminate_zeros()
    side = SideCodes(users=np.zeros((len(taste), 0), np.float32), songs=song_codes)
    trainer = make_trainer(train, config=config, side=side)
    summed = np.zeros((len(taste), 64), np.float32)
    summed[:, :TASTES] = np.eye(TASTES)[taste] * 3
    slots = np.arange(len(taste), dtype=np.int64)
    for step in range(20):
        trainer.step(0, step, slots, summed)
    scores = trainer.query_matrix(slots, summed) @ trainer.item_matrix()[NEW].T
    best = NEW[np.argsort(-scores, axis=1)[:, :5]]
    return float((best % TASTES == taste[:, None]).mean())


def test_a_song_nobody_played_is_found_by_its_features_and_by_nothing_else() -> None:
    taste = np.arange(SONGS) % TASTES
    told = recall_of_new_songs(codes_of(taste), TrainerConfig())
    shuffled = codes_of(np.random.default_rng(1).permutation(taste))
    assert told > 0.8
    assert recall_of_new_songs(shuffled, TrainerConfig()) < 0.45


def test_only_a_song_with_features_that_nobody_played_is_new() -> None:
    codes = np.array([[0.5], [0.5], [0.0]], np.float32)
    assert fresh_songs(np.array([3, 0, 0]), codes).tolist() == [False, True, False]
    assert not fresh_songs(np.array([3, 0, 0]), np.zeros((3, 0), np.float32)).any()


def test_a_new_song_is_as_popular_as_songs_with_its_features() -> None:
    codes = np.repeat(np.eye(2, dtype=np.float32), 50, axis=0)
    prior = np.repeat(np.array([4, 1], np.float32), 50)
    fresh = np.zeros(100, dtype=bool)
    fresh[[0, 99]] = True
    prior[fresh] = -9
    found = expected_prior(prior, codes, fresh)
    assert found[0] == pytest.approx(4, abs=0.1)
    assert found[99] == pytest.approx(1, abs=0.1)
    np.testing.assert_array_equal(found[~fresh], prior[~fresh])


@pytest.mark.parametrize("fresh", [np.zeros(3, bool), np.ones(3, bool)])
def test_without_new_songs_or_without_known_ones_the_prior_is_as_learnt(
    fresh: npt.NDArray[np.bool_],
) -> None:
    prior = np.array([1, 2, 3], np.float32)
    assert expected_prior(prior, np.ones((3, 1), np.float32), fresh) is prior


def test_a_new_song_is_never_a_negative() -> None:
    left_out = np.zeros(SONGS, dtype=bool)
    left_out[NEW] = True
    rng = np.random.default_rng(0)
    for expected in (10, SONGS):
        sampler = NegativeSampler(np.ones(SONGS, np.float32), expected, left_out=left_out)
        drawn = sampler.draw(rng)
        assert not np.isin(drawn.songs, NEW).any()
        assert np.isfinite(drawn.log_inclusion).all()
        assert len(drawn.songs)


def test_songs_without_features_train_as_if_there_were_no_id_dropout() -> None:
    plays = checkerboard(np.random.default_rng(0))[0]
    slots = np.arange(plays.shape[0], dtype=np.int64)
    summed = np.ones((plays.shape[0], 64), np.float32)
    trained = []
    for rate in (0.0, 0.5):
        trainer = make_trainer(plays, config=TrainerConfig(id_dropout=rate))
        trainer.step(0, 0, slots, summed)
        trained.append(trainer.item_matrix())
    np.testing.assert_array_equal(*trained)


def test_a_song_of_which_nothing_is_known_keeps_its_own_vector_in_every_step() -> None:
    plays = checkerboard(np.random.default_rng(0))[0]
    codes = codes_of(np.arange(SONGS) % TASTES)
    codes[::2] = 0
    side = SideCodes(users=np.zeros((plays.shape[0], 0), np.float32), songs=codes)
    trainer = make_trainer(plays, config=TrainerConfig(id_dropout=0.5), side=side)
    kept = trainer._kept_ids(torch.Generator().manual_seed(0))
    assert kept is not None
    assert (kept[::2] == 1).all()
    assert 0 < float(kept[1::2].mean()) < 1
