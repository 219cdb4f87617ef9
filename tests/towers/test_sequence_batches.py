import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.towers.histories import Ids
from towers.sequence_batches import Batches
from towers.sequence_encoder import TrainingBatch


@st.composite
def made_histories(draw: st.DrawFn) -> list[Ids]:
    """Histories without an item twice in all of them: every item tells where it came from."""
    sizes = draw(st.lists(st.integers(2, 20), min_size=1, max_size=12))
    return np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])


def batches(
    histories: list[Ids], *, length: int = 50, limit: int | None = None, shuffled: bool = False
) -> Batches:
    return Batches(
        histories, length, batch_tokens=30, targets_per_history=limit, shuffled=shuffled
    )


def taught(batch: TrainingBatch) -> list[tuple[list[int], int]]:
    """What each target is foreseen from, and the target."""
    return [
        (batch.items[row, : place + 1].tolist(), target)
        for row, place, target in zip(
            batch.rows.tolist(), batch.places.tolist(), batch.targets.tolist(), strict=True
        )
    ]


def epoch(made: Batches, seed: int = 0) -> list[TrainingBatch]:
    return [*made.epoch(np.random.default_rng(seed))]


@given(made_histories())
@settings(deadline=None, max_examples=50)
def test_every_item_but_the_first_is_foreseen_once_from_all_before_it(
    histories: list[Ids],
) -> None:
    found = [pair for batch in epoch(batches(histories)) for pair in taught(batch)]
    expected = [
        (history[:place].tolist(), int(history[place]))
        for history in histories
        for place in range(1, len(history))
    ]
    assert sorted(found) == sorted(expected)


@given(made_histories())
@settings(deadline=None, max_examples=50)
def test_a_batch_is_no_wider_than_its_longest_and_no_larger_than_allowed(
    histories: list[Ids],
) -> None:
    for batch in epoch(batches(histories)):
        assert batch.items.shape[1] == batch.lengths.max()
        assert batch.items.numel() <= 30 or len(batch.items) == 1
        assert (batch.places < batch.lengths[batch.rows]).all()


@given(made_histories(), st.integers(0, 3))
@settings(deadline=None, max_examples=50)
def test_every_epoch_has_as_many_batches(histories: list[Ids], seed: int) -> None:
    made = batches(histories)
    assert len(epoch(made, seed)) == made.per_epoch


@given(made_histories(), st.integers(1, 6))
@settings(deadline=None, max_examples=50)
def test_of_a_long_history_one_window_is_taken_anywhere(histories: list[Ids], length: int) -> None:
    owner = {int(item): number for number, own in enumerate(histories) for item in own}
    seen: list[int] = []
    for batch in epoch(batches(histories, length=length)):
        for row, size in zip(batch.items.tolist(), batch.lengths.tolist(), strict=True):
            own = histories[owner[row[0]]]
            seen.append(owner[row[0]])
            assert size == min(len(own) - 1, length)
            assert row[:size] == list(range(row[0], row[0] + size))
    assert sorted(seen) == list(range(len(histories)))


def test_windows_move_from_epoch_to_epoch() -> None:
    made = batches([np.arange(100)], length=5)
    rng = np.random.default_rng(0)
    firsts = {int(batch.items[0, 0]) for _ in range(30) for batch in made.epoch(rng)}
    assert len(firsts) > 15
    assert max(firsts) <= 94


@given(made_histories(), st.integers(1, 5))
@settings(deadline=None, max_examples=50)
def test_a_limit_draws_that_many_targets_of_each_history(histories: list[Ids], limit: int) -> None:
    for batch in epoch(batches(histories, limit=limit)):
        counts = np.bincount(batch.rows.numpy(), minlength=len(batch.items))
        assert counts.tolist() == np.minimum(batch.lengths.numpy(), limit).tolist()
        for known, target in taught(batch):
            assert known[-1] + 1 == target


def test_shuffled_histories_keep_their_items_and_lose_their_order() -> None:
    histories = [np.arange(20), np.arange(20, 40)]
    made = batches(histories, shuffled=True)
    rng = np.random.default_rng(0)
    orders = set()
    for _ in range(5):
        for batch in made.epoch(rng):
            for known, last in zip(batch.items.tolist(), batch.targets[18::19], strict=True):
                whole = [*known, int(last)]
                assert sorted(whole) in [list(range(20)), list(range(20, 40))]
                orders.add(tuple(whole))
    assert len(orders) == 10


def test_the_same_seed_gives_the_same_epoch() -> None:
    histories = [np.arange(30 * number, 30 * number + 5 + number) for number in range(12)]
    made = batches(histories, length=8, limit=3)
    one, other = ([taught(batch) for batch in epoch(made, seed=4)] for _ in range(2))
    assert one == other
    assert one != [taught(batch) for batch in epoch(made, seed=5)]
