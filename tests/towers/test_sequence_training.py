from dataclasses import replace

import numpy as np
import pytest

from tests.towers.histories import Ids, chains, tastes, without_order
from towers.errors import FeatureError
from towers.ranking import hit_rate, mean_ndcg, target_ranks
from towers.sequence_config import (
    EncoderShape,
    MeanPoolingConfig,
    MINDConfig,
    Order,
    SASRecConfig,
    SequenceConfig,
    SequenceTrainingConfig,
)
from towers.sequence_training import EpochReport, SequenceRun, train_sequence

SHAPES: dict[str, EncoderShape] = {
    "sasrec": SASRecConfig(dim=16, max_length=20, dropout=0.1),
    "mind": MINDConfig(dim=16, max_length=20, dropout=0.1),
    "mean-pooling": MeanPoolingConfig(dim=16, max_length=20, dropout=0.1),
}
QUICK = SequenceTrainingConfig(epochs=2, learning_rate=5e-3, batch_tokens=512)
THOROUGH = replace(QUICK, epochs=40, patience=6)


def train(
    shape: EncoderShape,
    histories: list[Ids],
    training: SequenceTrainingConfig = QUICK,
    *,
    seed: int = 0,
) -> SequenceRun:
    items = 1 + int(np.concatenate(histories).max())
    config = SequenceConfig(encoder=shape, training=training)
    return train_sequence(config, histories, items, seed=seed)


def ranks(run: SequenceRun, histories: list[Ids]) -> Ids:
    """Where each history's last item stands, for a model that was trained without it."""
    known = [history[:-1] for history in histories]
    return target_ranks(
        run.trained.encode_all(known),
        run.trained.item_vectors(),
        seen=[np.empty(0, dtype=np.int64)] * len(known),
        targets=np.array([history[-1] for history in histories]),
    )


def foresight(
    shape: EncoderShape, histories: list[Ids], top_k: int, order: Order = Order.TIME
) -> float:
    """The share of last items in the first `top_k`, after training without them."""
    known = [history[:-1] for history in histories]
    run = train(shape, known, replace(THOROUGH, order=order))
    return hit_rate(ranks(run, histories), top_k)


@pytest.mark.parametrize("name", SHAPES)
def test_the_same_seed_gives_the_same_model_and_another_seed_another(name: str) -> None:
    histories = chains(np.random.default_rng(0), users=60)
    one, again, other = (
        train(SHAPES[name], histories, seed=seed).trained.item_vectors() for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, other)


def test_order_that_tells_the_next_item_is_learnt_by_attention_and_lost_on_the_mean() -> None:
    histories = chains(np.random.default_rng(0))
    attended = foresight(SHAPES["sasrec"], histories, 1)
    pooled = foresight(SHAPES["mean-pooling"], histories, 1)
    assert attended > 0.5  # 0.7 of the items follow the chain
    assert attended > 1.5 * pooled


def test_without_order_attention_gains_nothing_over_the_mean() -> None:
    rng = np.random.default_rng(0)
    histories = without_order(chains(rng), rng)
    attended = foresight(SHAPES["sasrec"], histories, 5)
    pooled = foresight(SHAPES["mean-pooling"], histories, 5)
    assert attended < pooled + 0.05


@pytest.mark.parametrize("name", SHAPES)
def test_taste_is_learnt_from_histories_without_order(name: str) -> None:
    histories = tastes(np.random.default_rng(0), per_user=1)
    assert foresight(SHAPES[name], histories, 12, Order.NONE) > 0.8  # by chance: 0.05


@pytest.mark.parametrize("name", SHAPES)
def test_where_there_is_no_taste_nothing_is_learnt(name: str) -> None:
    rng = np.random.default_rng(0)
    histories = [*rng.integers(240, size=(500, 16))]
    assert foresight(SHAPES[name], histories, 12, Order.NONE) < 0.1


def test_people_of_two_tastes_are_better_served_by_several_interests() -> None:
    # Four numbers cannot point to two of twenty tastes at once.
    several, one = (MINDConfig(dim=4, interests=n, max_length=20, dropout=0.0) for n in (4, 1))
    of_two = tastes(np.random.default_rng(0), per_user=2, users=300)
    assert foresight(several, of_two, 24) > 1.15 * foresight(one, of_two, 24)


def test_the_best_epoch_is_kept_and_patience_ends_training() -> None:
    histories = chains(np.random.default_rng(0), users=100)
    run = train(SHAPES["sasrec"], histories, replace(THOROUGH, epochs=100, patience=2))
    best = run.epochs[run.best_epoch - 1]
    assert len(run.epochs) == run.best_epoch + 2
    assert best.validation == max(report.validation for report in run.epochs)
    held_out = mean_ndcg(ranks(run, histories), 10)
    known = [history[:-1] for history in histories]
    seen = target_ranks(
        run.trained.encode_all(known),
        run.trained.item_vectors(),
        seen=known,
        targets=np.array([history[-1] for history in histories]),
    )
    assert mean_ndcg(seen, 10) == pytest.approx(best.validation, abs=1e-6)
    assert held_out <= best.validation  # nothing left out makes it harder


def test_what_is_held_out_is_not_learnt_from() -> None:
    # Each user's last item comes nowhere else: a model that had seen it would know it.
    rng = np.random.default_rng(0)
    histories = [np.append(rng.integers(20, size=8), 20 + user) for user in range(80)]
    run = train(SHAPES["mean-pooling"], histories, replace(THOROUGH, epochs=10))
    assert hit_rate(ranks(run, histories), 5) < 0.15


def test_every_epoch_is_told() -> None:
    told: list[EpochReport] = []
    config = SequenceConfig(encoder=SHAPES["sasrec"], training=QUICK)
    run = train_sequence(
        config, chains(np.random.default_rng(0), users=30), 50, seed=0, watch=told.append
    )
    assert tuple(told) == run.epochs
    assert [report.number for report in told] == [1, 2]
    assert told[1].loss < told[0].loss
    assert all(report.cpu_seconds > 0 for report in told)


def test_users_with_two_items_teach_and_are_not_held_out() -> None:
    histories = [np.array([user % 8, 8 + user % 8]) for user in range(64)]
    run = train(SHAPES["sasrec"], [*histories, np.array([3]), np.empty(0, np.int64)], THOROUGH)
    assert {report.validation for report in run.epochs} == {0.0}
    assert run.best_epoch > 5  # the loss says when to stop
    assert hit_rate(ranks(run, histories), 1) > 0.9


def test_side_features_serve_songs_that_nobody_has_played() -> None:
    histories = tastes(np.random.default_rng(0), per_user=1)
    side = np.zeros((260, 20), dtype=np.float32)
    side[np.arange(260), np.arange(260) % 20] = 1  # the taste of each song, new ones included
    config = SequenceConfig(encoder=SHAPES["mean-pooling"], training=THOROUGH)
    trained = train_sequence(config, histories, 260, seed=0, side=side).trained
    scores = trained.encode(histories[0])[0] @ trained.item_vectors().T
    new = 240 + int(np.argmax(scores[240:]))
    assert new % 20 == histories[0][0] % 20


@pytest.mark.parametrize(
    ("histories", "reason"),
    [
        ([], "nothing to learn"),
        ([[3]], "nothing to learn"),
        ([[1, 5]], "outside"),
        ([[-1, 2]], "outside"),
    ],
)
def test_histories_that_cannot_be_learnt_from_are_refused(
    histories: list[list[int]], reason: str
) -> None:
    config = SequenceConfig(encoder=SHAPES["sasrec"], training=QUICK)
    with pytest.raises(FeatureError, match=reason):
        train_sequence(config, [np.array(each) for each in histories], 5, seed=0)
