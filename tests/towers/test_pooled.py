from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from tests.towers.made import USERS, checkerboard, make_trainer, partner_on, taste_features
from towers.central import CentralConfig, RawPartner, central_sides
from towers.config import EncoderConfig
from towers.encoders import fit_encoder
from towers.errors import ConfigError
from towers.features import Features, Floats
from towers.pooled import UserSide, pooled_queries, train_pooled
from towers.schedule import BatchSchedule
from towers.stopping import StoppingConfig, hold_out, mean_recall

SCHEDULE = BatchSchedule(slots=USERS, group_rows=32, batch_groups=5)
COLD = np.arange(60, dtype=np.int64)


class World:
    """Users of four tastes, the first sixty of them cold, and one partner's table."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.plays, taste = checkerboard(rng)
        self.features = taste_features(taste, rng)
        warm = sp.diags_array((np.arange(USERS) >= len(COLD)).astype(np.float32))
        visible = sp.csr_array(warm @ self.plays)
        visible.eliminate_zeros()
        self.train, self.held = hold_out(visible, 0.2, seed=0)

    def phi(self, rows: np.ndarray | None = None) -> Floats:
        features = self.features if rows is None else self.features.take(rows)
        return fit_encoder(features, EncoderConfig(width=8), seed=0)

    def recall(self, sides: list[UserSide], epochs: int = 8) -> float:
        trainer = make_trainer(self.train, self.held)
        stopping = StoppingConfig(top_k=15)
        train_pooled(trainer, sides, SCHEDULE, epochs=epochs, stopping=stopping)
        scores = pooled_queries(trainer, sides, COLD) @ trainer.item_matrix().T
        return mean_recall(scores, self.plays[COLD], 15)

    def popular(self) -> float:
        counts = np.bincount(self.train.indices, minlength=self.plays.shape[1])
        scores = np.tile(counts.astype(np.float32), (len(COLD), 1))
        return mean_recall(scores, self.plays[COLD], 15)


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def test_a_partner_that_sees_taste_lifts_cold_users(world: World) -> None:
    assert world.recall([partner_on(world.phi())]) > world.popular() + 0.2


def test_a_shuffled_partner_lifts_nobody(world: World) -> None:
    shuffled = np.random.default_rng(9).permutation(USERS)
    assert world.recall([partner_on(world.phi(shuffled))]) < world.popular() + 0.05


def test_without_partners_everybody_is_served_what_is_popular(world: World) -> None:
    trainer = make_trainer(world.train, world.held)
    train_pooled(trainer, [], SCHEDULE, epochs=5, stopping=StoppingConfig(top_k=15))
    queries = pooled_queries(trainer, [], COLD)
    assert np.ptp(queries, axis=0).max() < 1e-6
    scores = queries @ trainer.item_matrix().T
    assert mean_recall(scores, world.plays[COLD], 15) > world.popular() - 0.05


def test_raw_features_end_to_end_lift_cold_users(world: World) -> None:
    sides = central_sides([world.features], 64, CentralConfig(), seed=0)
    assert len(sides) == 2
    assert world.recall(sides) > world.popular() + 0.2


def sides_of(world: World, central: bool) -> list[UserSide]:
    if central:
        return central_sides([world.features], 64, CentralConfig(), seed=0)
    return [partner_on(world.phi())]


@pytest.mark.parametrize("central", [True, False])
def test_training_is_repeatable(world: World, central: bool) -> None:
    ends = []
    for _ in range(2):
        trainer, sides = make_trainer(world.train, world.held), sides_of(world, central)
        train_pooled(trainer, sides, SCHEDULE, epochs=2, stopping=StoppingConfig())
        ends.append(pooled_queries(trainer, sides, COLD))
    np.testing.assert_array_equal(ends[0], ends[1])


def test_training_ends_early_and_goes_back_to_the_best_epoch(world: World) -> None:
    trainer, side = make_trainer(world.train, world.held), partner_on(world.phi())
    stopping = StoppingConfig(patience=1, top_k=15, min_gain=0.9)
    history = train_pooled(trainer, [side], SCHEDULE, epochs=9, stopping=stopping)
    assert [report.epoch for report in history] == [0, 1]
    again, once = make_trainer(world.train, world.held), partner_on(world.phi())
    train_pooled(again, [once], SCHEDULE, epochs=1, stopping=stopping)
    np.testing.assert_array_equal(trainer.item_matrix(), again.item_matrix())
    np.testing.assert_array_equal(side.projection.weight, once.projection.weight)


def test_the_loss_falls(world: World) -> None:
    trainer, side = make_trainer(world.train, world.held), partner_on(world.phi())
    history = train_pooled(trainer, [side], SCHEDULE, epochs=6, stopping=StoppingConfig())
    assert history[-1].loss < history[0].loss - 0.1


def test_a_raw_partner_returns_to_what_it_kept() -> None:
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(20, 4)).astype(np.float32)
    raw = RawPartner(Features.from_dense(dense), 8, CentralConfig(dropout=0), seed=0)
    slots = np.arange(20, dtype=np.int64)
    before = raw.embed(slots)
    raw.keep()
    raw.forward(slots)
    raw.backward(slots, np.ones((20, 8), np.float32))
    assert not np.allclose(raw.embed(slots), before)
    raw.restore()
    np.testing.assert_array_equal(raw.embed(slots), before)


def test_a_raw_partner_cannot_learn_from_a_batch_it_has_not_seen() -> None:
    raw = RawPartner(Features.from_dense(np.eye(4, dtype=np.float32)), 8, CentralConfig(), seed=0)
    slots = np.arange(4, dtype=np.int64)
    with pytest.raises(ConfigError, match="forward"):
        raw.backward(slots, np.ones((4, 8), np.float32))
    raw.forward(slots)
    with pytest.raises(ConfigError, match="forward"):
        raw.backward(slots[:2], np.ones((2, 8), np.float32))


@pytest.mark.parametrize(
    "wrong", [{"learning_rate": 0}, {"decay_steps": -1}, {"weight_decay": -1}, {"dropout": 1}]
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        CentralConfig(**wrong)
