from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import SmallBatchError
from parties.batches import BatchPlan
from parties.ciphers import GROUP_ROWS
from parties.config import RunConfig, TrainingConfig


def plan_of(slots: int, *, batch_groups: int = 2, epochs: int = 3, seed: int = 0) -> BatchPlan:
    config = RunConfig(seed=seed, training=TrainingConfig(epochs=epochs))
    exchange = replace(config.exchange, batch_groups=batch_groups)
    return BatchPlan(replace(config, exchange=exchange), slots)


SIZES = {"slots": st.integers(1, 2000), "batch_groups": st.integers(1, 9)}


@settings(deadline=None)
@given(**SIZES, epochs=st.integers(1, 4))
def test_a_step_number_never_stands_for_two_batches(
    slots: int, batch_groups: int, epochs: int
) -> None:
    plan = plan_of(slots, batch_groups=batch_groups, epochs=epochs)
    training = [
        plan.step(epoch, number)
        for epoch in range(epochs)
        for number in range(len(plan.epoch(epoch)))
    ]
    serving = [step for step, _ in plan.serving()]
    assert training + serving == list(range(len(training) + len(serving)))


@settings(deadline=None)
@given(**SIZES)
def test_serving_holds_every_slot_once(slots: int, batch_groups: int) -> None:
    plan = plan_of(slots, batch_groups=batch_groups)
    rows = np.concatenate([plan.rows(groups) for _, groups in plan.serving()])
    np.testing.assert_array_equal(rows, np.arange(slots))


@settings(deadline=None)
@given(**SIZES, epoch=st.integers(0, 5))
def test_an_epoch_holds_every_slot_once_in_batches_of_the_agreed_size(
    slots: int, batch_groups: int, epoch: int
) -> None:
    plan = plan_of(slots, batch_groups=batch_groups)
    batches = plan.epoch(epoch)
    rows = np.concatenate([plan.rows(groups) for groups in batches])
    assert sorted(rows.tolist()) == list(range(slots))
    assert len(batches) == plan.steps
    assert all(1 <= len(groups) <= batch_groups for groups in batches)


@settings(deadline=None)
@given(**SIZES)
def test_padded_rows_begin_with_the_slots_of_a_batch_and_end_with_empty_ones(
    slots: int, batch_groups: int
) -> None:
    plan = plan_of(slots, batch_groups=batch_groups)
    for groups in plan.epoch(0):
        rows, padded = plan.rows(groups), plan.padded_rows(groups)
        assert len(padded) == len(groups) * GROUP_ROWS
        np.testing.assert_array_equal(padded[: len(rows)], rows)
        assert (padded[len(rows) :] >= slots).all()
        assert padded.max() < plan.padded_slots


def test_slots_are_padded_to_whole_groups() -> None:
    assert [plan_of(slots).padded_slots for slots in (1, 128, 129)] == [128, 128, 256]


def test_parties_of_one_seed_draw_the_same_batches_and_others_do_not() -> None:
    def drawn(seed: int) -> list[list[int]]:
        return [groups.tolist() for groups in plan_of(2000, seed=seed).epoch(1)]

    assert drawn(3) == drawn(3)
    assert drawn(3) != drawn(4)


def test_epochs_are_drawn_apart() -> None:
    plan = plan_of(2000)
    first, second = ([g.tolist() for g in plan.epoch(number)] for number in (0, 1))
    assert first != second


@pytest.mark.parametrize(("shared", "width", "enough"), [(64, 8, True), (63, 8, False)])
def test_a_batch_needs_eight_users_of_the_partner_a_column(
    shared: int, width: int, enough: bool
) -> None:
    plan = plan_of(100)
    slots = np.arange(shared)
    if enough:
        plan.refuse_few("forum", slots, width=width)
    else:
        with pytest.raises(SmallBatchError, match=r"forum has only 63 users.*need 64.*frozen"):
            plan.refuse_few("forum", slots, width=width)


def test_users_are_counted_a_batch_and_not_a_run() -> None:
    plan = plan_of(1024, batch_groups=2)  # 4 batches
    slots = np.arange(0, 1000, 2)
    with pytest.raises(SmallBatchError, match="only 116 users"):
        plan.refuse_few("forum", slots, width=16)
    plan_of(1024, batch_groups=8).refuse_few("forum", slots, width=16)


def test_the_smallest_batch_counts_and_not_the_average() -> None:
    plan = plan_of(128 + 20, batch_groups=1)  # one batch of 128 users, one of 20
    with pytest.raises(SmallBatchError, match="only 20 users"):
        plan.refuse_few("forum", np.arange(148), width=4)


@settings(deadline=None)
@given(**SIZES, epochs=st.integers(1, 3), seed=st.integers(0, 9))
def test_the_fewest_users_of_a_batch_are_those_counted_one_by_one(
    slots: int, batch_groups: int, epochs: int, seed: int
) -> None:
    plan = plan_of(slots, batch_groups=batch_groups, epochs=epochs, seed=seed)
    known = np.flatnonzero(np.random.default_rng(seed).random(slots) < 0.3)
    batches = [plan.rows(groups) for epoch in range(epochs) for groups in plan.epoch(epoch)]
    assert plan.fewest(known) == min(int(np.isin(rows, known).sum()) for rows in batches)
