import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from towers.errors import ConfigError
from towers.schedule import BatchSchedule


@given(
    slots=st.integers(1, 5000),
    group_rows=st.integers(1, 200),
    batch_groups=st.integers(1, 12),
    epoch=st.integers(0, 50),
)
def test_every_slot_comes_once_an_epoch_in_balanced_batches(
    slots: int, group_rows: int, batch_groups: int, epoch: int
) -> None:
    schedule = BatchSchedule(slots=slots, group_rows=group_rows, batch_groups=batch_groups)
    batches = schedule.epoch(epoch)
    sizes = [len(batch) for batch in batches]
    assert len(batches) == schedule.steps
    assert max(sizes) <= batch_groups
    assert max(sizes) - min(sizes) <= 1
    rows = np.concatenate([schedule.rows(batch) for batch in batches])
    assert np.array_equal(np.sort(rows), np.arange(slots))


def test_parties_with_one_seed_agree_and_epochs_differ() -> None:
    one, other = (BatchSchedule(slots=3000, seed=5) for _ in range(2))
    assert [b.tolist() for b in one.epoch(3)] == [b.tolist() for b in other.epoch(3)]
    assert [b.tolist() for b in one.epoch(3)] != [b.tolist() for b in one.epoch(4)]
    third = BatchSchedule(slots=3000, seed=6)
    assert [b.tolist() for b in one.epoch(3)] != [b.tolist() for b in third.epoch(3)]


def test_rows_of_a_group_are_consecutive_slots() -> None:
    schedule = BatchSchedule(slots=10, group_rows=4)
    assert schedule.rows(np.array([1, 2])).tolist() == [4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize(
    "wrong", [{"slots": 0}, {"group_rows": 0}, {"batch_groups": 0}, {"seed": -1}]
)
def test_settings_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        BatchSchedule(**{"slots": 10, **wrong})
