from types import ModuleType

import numpy as np
import numpy.typing as npt
import pytest

import recall
from recall import (
    NOTHING,
    Candidates,
    Popularity,
    Query,
    ShapeError,
)
from tests.recall.contract import CHANNELS, QUERIES

KNOWN = QUERIES["cold"]
UNKNOWN = QUERIES["unknown"]


def test_nearest_vectors_gives_the_highest_inner_products() -> None:
    assert CHANNELS["two-tower"].recall(KNOWN, 2).items.tolist() == [4, 5]


def test_a_user_nobody_knows_gets_nothing_from_the_towers() -> None:
    assert CHANNELS["two-tower"].recall(UNKNOWN, 5) is NOTHING
    assert len(NOTHING) == 0


def test_popularity_ranks_by_plays_and_leaves_out_what_nobody_played() -> None:
    assert CHANNELS["popularity"].recall(UNKNOWN, 9).items.tolist() == [2, 3, 0, 4, 5]


@pytest.mark.parametrize("counts", [[-1.0], [np.nan], [[1.0]]])
def test_counts_that_are_none_are_refused(counts: list[float]) -> None:
    with pytest.raises(ShapeError, match="counts"):
        Popularity.from_counts(counts)


def test_candidates_of_unequal_length_are_refused() -> None:
    with pytest.raises(ShapeError, match="one length"):
        Candidates(np.arange(3), np.zeros(2, dtype=np.float32))


def test_the_best_of_few_candidates_are_all_of_them() -> None:
    few = Candidates(np.arange(3), np.ones(3, dtype=np.float32))
    assert few.best(2).items.tolist() == [0, 1]
    assert len(few.best(9)) == 3


def test_candidates_keep_their_reasons_when_others_are_left_out() -> None:
    few = Candidates(np.arange(3), np.ones(3, dtype=np.float32), ("a", "b", "c"))
    kept = few.without(np.array([1], dtype=np.int64))
    assert (kept.items.tolist(), kept.reasons) == ([0, 2], ("a", "c"))
    assert few.best(1).reasons == ("a",)
    assert few.without(np.array([7], dtype=np.int64)).reasons == few.reasons


def test_reasons_for_other_than_all_candidates_are_refused() -> None:
    with pytest.raises(ShapeError, match="1 reasons for 3 items"):
        Candidates(np.arange(3), np.ones(3, dtype=np.float32), ("a",))


@pytest.mark.parametrize("history", [np.zeros((2, 1), np.int64), np.zeros(2, np.float32)])
def test_a_history_that_is_no_vector_of_item_numbers_is_refused(
    history: npt.NDArray[np.int64],
) -> None:
    with pytest.raises(ShapeError, match="history"):
        Query(history=history)


def test_a_user_without_history_is_cold_whoever_knows_it() -> None:
    assert Query(vector=np.zeros(2, np.float32)).is_cold
    assert not Query(history=np.zeros(1, np.int64)).is_cold


def test_a_printed_query_shows_neither_embedding_nor_history() -> None:
    assert "1." not in repr(KNOWN)
    assert "77" not in repr(Query(history=np.array([77])))


def test_the_package_exports_what_it_says() -> None:
    public = {name for name in vars(recall) if name[0] != "_"}
    modules = {name for name in public if isinstance(vars(recall)[name], ModuleType)}
    assert public - modules == set(recall.__all__)
