import numpy as np
from hypothesis import given, settings

from recall import NOTHING, Candidates, Pool
from tests.recall.made_channels import made_lists, ranked


@given(made_lists())
@settings(deadline=None)
def test_a_pool_holds_every_item_once_with_its_place_in_every_channel(
    lists: dict[str, Candidates],
) -> None:
    pool = Pool.of(lists)
    everything = {item for each in lists.values() for item in each.items.tolist()}
    assert pool.items.tolist() == sorted(everything)
    assert pool.channels == tuple(sorted(lists))
    for row, item in enumerate(pool.items.tolist()):
        for column, name in enumerate(pool.channels):
            order = lists[name].items.tolist()
            rank = order.index(item) + 1 if item in order else 0
            assert pool.ranks[row, column] == rank
            assert pool.scores[row, column] == (lists[name].scores[rank - 1] if rank else 0)
            assert pool.reason(row, column) == (f"because of {name}" if rank else "")


def test_excluded_items_are_gone_before_ranks_are_counted() -> None:
    pool = Pool.of({"a": ranked([5, 3, 4])}, np.array([5]))
    assert pool.items.tolist() == [3, 4]
    assert pool.ranks.ravel().tolist() == [1, 2]


def test_an_item_that_a_channel_gives_twice_counts_where_it_came_first() -> None:
    twice = Candidates(np.array([7, 8, 7]), np.array([3, 2, 1], dtype=np.float32))
    pool = Pool.of({"a": twice})
    assert pool.items.tolist() == [7, 8]
    assert pool.ranks.ravel().tolist() == [1, 2]
    assert pool.scores.ravel().tolist() == [3, 2]


def test_a_pool_of_nothing_is_empty() -> None:
    assert len(Pool.of({"a": NOTHING})) == 0
    assert len(Pool.of({})) == 0
