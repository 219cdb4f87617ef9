from types import ModuleType

import numpy as np
import pytest

import recall
from recall import (
    NOTHING,
    Candidates,
    Channel,
    FlatIndex,
    NearestVectors,
    Popularity,
    Query,
    ShapeError,
)

KNOWN = Query(vector=np.array([0.0, 1.0], dtype=np.float32))
UNKNOWN = Query()
CHANNELS: dict[str, Channel] = {
    "two-tower": NearestVectors(FlatIndex([[1, 0], [0, 1], [0.5, 0.6]], ids=[10, 11, 12])),
    "popularity": Popularity.from_counts([3, 0, 7, 7]),
}


@pytest.mark.parametrize("name", CHANNELS)
@pytest.mark.parametrize("query", [KNOWN, UNKNOWN])
@pytest.mark.parametrize("k", [1, 2, 50])
def test_every_channel_gives_at_most_k_different_items_best_first(
    name: str, query: Query, k: int
) -> None:
    found = CHANNELS[name].recall(query, k)
    assert CHANNELS[name].name == name
    assert len(found) <= k
    assert len(set(found.items.tolist())) == len(found)
    assert (np.diff(found.scores) <= 0).all()
    assert (found.items.dtype, found.scores.dtype) == (np.int64, np.float32)


def test_nearest_vectors_gives_the_highest_inner_products() -> None:
    assert CHANNELS["two-tower"].recall(KNOWN, 2).items.tolist() == [11, 12]


def test_a_user_nobody_knows_gets_nothing_from_the_towers() -> None:
    assert CHANNELS["two-tower"].recall(UNKNOWN, 5) is NOTHING
    assert len(NOTHING) == 0


def test_popularity_ranks_by_plays_and_leaves_out_what_nobody_played() -> None:
    assert CHANNELS["popularity"].recall(UNKNOWN, 9).items.tolist() == [2, 3, 0]


def test_popularity_fills_short_rows_for_the_metrics() -> None:
    rows = Popularity.from_counts([0, 4]).ranked(2, 3)
    assert rows.tolist() == [[1, -1, -1], [1, -1, -1]]


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


def test_a_printed_query_shows_no_embedding() -> None:
    assert "1." not in repr(KNOWN)


def test_the_package_exports_what_it_says() -> None:
    public = {name for name in vars(recall) if name[0] != "_"}
    modules = {name for name in public if isinstance(vars(recall)[name], ModuleType)}
    assert public - modules == set(recall.__all__)
