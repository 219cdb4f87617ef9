from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from tests.towers.made import (
    SONGS,
    USERS,
    checkerboard,
    make_trainer,
    no_side,
    none_like,
)
from towers.config import DSSMConfig, TrainerConfig
from towers.dssm import SideCodes
from towers.errors import ConfigError, FeatureError, StateError
from towers.features import Floats
from towers.stopping import hold_out
from towers.training import Labels

SLOTS = np.arange(USERS, dtype=np.int64)


@pytest.fixture
def labels() -> sp.csr_array:
    return checkerboard(np.random.default_rng(0))[0]


@pytest.fixture
def summed() -> Floats:
    return np.random.default_rng(1).normal(size=(USERS, 64)).astype(np.float32)


@pytest.fixture(params=[1, 4])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
def test_the_same_seed_gives_the_same_model_on_any_number_of_threads(summed: Floats) -> None:
    rng = np.random.default_rng(0)
    many = sp.csr_array((rng.random((USERS, 3000)) < 0.05).astype(np.float32))
    one, other = make_trainer(many), make_trainer(many)
    for step in range(3):
        first = one.step(0, step, SLOTS, summed)
        second = other.step(0, step, SLOTS, summed)
        np.testing.assert_array_equal(first.gradient, second.gradient)
    np.testing.assert_array_equal(one.item_matrix(), other.item_matrix())


def test_users_without_labels_get_zero_rows(labels: sp.csr_array, summed: Floats) -> None:
    train, held = hold_out(labels, 0.3, seed=0)
    outcome = make_trainer(train, held).step(0, 0, SLOTS, summed)
    taught = np.diff(train.indptr) > 0
    assert outcome.gradient.shape == summed.shape
    assert not outcome.gradient[~taught].any()
    assert np.abs(outcome.gradient[taught]).max(axis=1).astype(bool).mean() > 0.9


def test_a_batch_without_any_label_teaches_nothing(labels: sp.csr_array, summed: Floats) -> None:
    train, held = hold_out(labels, 0.3, seed=0)
    trainer = make_trainer(train, held)
    before = trainer.item_matrix()
    cold = np.flatnonzero(np.diff(train.indptr) == 0)
    outcome = trainer.step(0, 0, cold, summed[cold])
    assert outcome.loss == 0
    assert not outcome.gradient.any()
    np.testing.assert_array_equal(trainer.item_matrix(), before)


def test_the_gradient_is_that_of_the_loss(labels: sp.csr_array, summed: Floats) -> None:
    config = TrainerConfig(
        dropout=0, absent_rate=0, local_passes=1, gradient_scale=1, negatives=SONGS
    )
    slots = SLOTS[:4]
    base = make_trainer(labels, config=config).step(0, 0, slots, summed[:4])
    moved = summed[:4].copy()
    direction = base.gradient / np.linalg.norm(base.gradient)
    losses = []
    for sign in (1, -1):
        trainer = make_trainer(labels, config=config)
        losses.append(
            trainer.step(0, 0, slots, (moved + sign * 1e-2 * direction).astype(np.float32)).loss
        )
    slope = 4 * (losses[0] - losses[1]) / 2e-2  # loss is a mean over four users
    assert slope == pytest.approx(np.linalg.norm(base.gradient), rel=0.05)


def test_another_users_sum_does_not_reach_a_row(labels: sp.csr_array, summed: Floats) -> None:
    config = TrainerConfig(local_passes=1)
    one = make_trainer(labels, config=config).step(0, 0, SLOTS, summed)
    changed = summed.copy()
    changed[5] += 3
    other = make_trainer(labels, config=config).step(0, 0, SLOTS, changed)
    rest = SLOTS != 5
    np.testing.assert_allclose(one.gradient[rest], other.gradient[rest], atol=1e-6)
    assert not np.allclose(one.gradient[5], other.gradient[5])


def test_a_trainer_goes_on_from_a_checkpoint(labels: sp.csr_array, summed: Floats) -> None:
    train, held = hold_out(labels, 0.2, seed=0)
    whole, resumed = make_trainer(train, held), make_trainer(train, held)
    whole.step(0, 0, SLOTS, summed)
    resumed.load(whole.save())
    assert resumed.validation_recall(10) == whole.validation_recall(10)
    for trainer in (whole, resumed):
        trainer.step(0, 1, SLOTS, summed * 2)
    np.testing.assert_array_equal(whole.item_matrix(), resumed.item_matrix())
    first, second = (t.query_matrix(SLOTS, summed) for t in (whole, resumed))
    np.testing.assert_array_equal(first, second)


def test_a_damaged_or_foreign_checkpoint_is_refused_and_changes_nothing(
    labels: sp.csr_array,
) -> None:
    trainer = make_trainer(labels)
    before = trainer.item_matrix()
    whole = trainer.save()
    narrow = make_trainer(labels, config=TrainerConfig(model=DSSMConfig(embedding_dim=8)))
    for saved in (b"", b"not a checkpoint", whole[: len(whole) // 2]):
        with pytest.raises(StateError, match="damaged"):
            trainer.load(saved)
    with pytest.raises(StateError, match="another shape"):
        trainer.load(narrow.save())
    np.testing.assert_array_equal(trainer.item_matrix(), before)


def test_queries_times_items_are_scores_with_the_prior(
    labels: sp.csr_array, summed: Floats
) -> None:
    trainer = make_trainer(labels)
    queries, items = trainer.query_matrix(SLOTS, summed), trainer.item_matrix()
    counts = np.bincount(labels.indices, minlength=SONGS)
    assert queries.shape == (USERS, 65)
    assert items.shape == (SONGS, 65)
    assert (queries[:, -1] == 1).all()
    np.testing.assert_allclose(items[:, -1], np.log(counts + 0.5), rtol=1e-5)


def test_own_features_and_song_features_reach_the_scores(
    labels: sp.csr_array, summed: Floats
) -> None:
    rng = np.random.default_rng(0)
    side = SideCodes(
        users=rng.normal(size=(USERS, 3)).astype(np.float32),
        songs=rng.normal(size=(SONGS, 5)).astype(np.float32),
    )
    trainer = make_trainer(labels, side=side)
    before = trainer.query_matrix(SLOTS, summed), trainer.item_matrix()
    trainer.step(0, 0, SLOTS, summed)
    assert not np.allclose(before[0], trainer.query_matrix(SLOTS, summed))
    bare = make_trainer(labels).item_matrix()
    assert not np.allclose(before[1], bare)


def test_validation_recall_uses_the_latest_sums(labels: sp.csr_array, summed: Floats) -> None:
    train, held = hold_out(labels, 0.2, seed=0)
    trainer = make_trainer(train, held)
    trainer.step(0, 0, SLOTS, summed)
    known = np.flatnonzero(np.diff(held.indptr))
    scores = trainer.query_matrix(known, summed[known]) @ trainer.item_matrix().T
    best = np.argsort(-scores, axis=1)[:, :10]
    relevant = held[known].toarray() > 0
    hits = np.take_along_axis(relevant, best, axis=1).sum(axis=1)
    assert trainer.validation_recall(10) == pytest.approx((hits / relevant.sum(axis=1)).mean())


def test_without_validation_users_recall_is_zero(labels: sp.csr_array, summed: Floats) -> None:
    trainer = make_trainer(labels)
    trainer.step(0, 0, SLOTS, summed)
    assert trainer.validation_recall(10) == 0


def test_sums_of_another_width_are_refused(labels: sp.csr_array, summed: Floats) -> None:
    with pytest.raises(FeatureError, match="300 slots"):
        make_trainer(labels).step(0, 0, SLOTS, summed[:, :8])


def test_unusable_labels_are_refused(labels: sp.csr_array) -> None:
    usable = Labels(train=labels, validation=none_like(labels), side=no_side())
    negative = sp.csr_array(labels, copy=True)
    negative.data[0] = -1
    for wrong, reason in (
        ({"train": none_like(labels)}, "no user"),
        ({"train": negative}, "above 0"),
        ({"validation": labels[:5]}, "differ"),
        ({"side": no_side(3)}, "one row a slot"),
    ):
        with pytest.raises(FeatureError, match=reason):
            replace(usable, **wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"learning_rate": 0},
        {"gradient_scale": 0},
        {"decay_steps": -1},
        {"local_passes": 0},
        {"negatives": 0},
        {"dropout": 1},
        {"absent_rate": 1},
        {"final_rate": 2},
        {"weight_decay": -1},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        TrainerConfig(**wrong)
