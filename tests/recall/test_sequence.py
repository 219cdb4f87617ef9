from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recall import NOTHING, FlatIndex, Merging, NearestInterests, Query, ShapeError, Sharing
from tests.recall.contract import LatestAndMean

Vectors = npt.NDArray[np.float32]
RNG = np.random.default_rng(1)
SONGS = RNG.normal(size=(60, 4)).astype(np.float32)
WARM = Query(history=np.array([4, 9, 2], dtype=np.int64))


@dataclass(frozen=True, slots=True)
class EveryPlay:
    """An encoder without training: every play is an interest of its own."""

    vectors: Vectors

    def encode(self, history: npt.NDArray[np.int64]) -> Vectors:
        return self.vectors[history]


def channel(
    sharing: Sharing = Sharing.EVEN, merging: Merging = Merging.BY_SCORE
) -> NearestInterests:
    return NearestInterests(
        EveryPlay(SONGS), FlatIndex(SONGS), name="mind", sharing=sharing, merging=merging
    )


def takers(channel: NearestInterests, query: Query, k: int) -> list[int]:
    """How many items each interest gave, by what the reasons say, fewest first."""
    said = [reason.split()[1] for reason in channel.recall(query, k).reasons]
    return sorted(said.count(number) for number in set(said))


@pytest.mark.parametrize("sharing", Sharing)
@pytest.mark.parametrize("merging", Merging)
def test_a_cold_user_gets_nothing(sharing: Sharing, merging: Merging) -> None:
    assert channel(sharing, merging).recall(Query(), 10) is NOTHING
    assert channel(sharing, merging).recall(Query(vector=SONGS[0]), 10) is NOTHING


def test_a_history_that_says_nothing_gets_nothing() -> None:
    @dataclass(frozen=True, slots=True)
    class Silent:
        def encode(self, history: npt.NDArray[np.int64]) -> Vectors:
            return np.empty((0, 4), dtype=np.float32)

    assert NearestInterests(Silent(), FlatIndex(SONGS)).recall(WARM, 5) is NOTHING


def test_one_interest_is_one_search_without_reasons() -> None:
    query = Query(history=np.array([7], dtype=np.int64))
    found = channel().recall(query, 9)
    items, scores = FlatIndex(SONGS).search(SONGS[[7]], 9)
    assert found.items.tolist() == items[0].tolist()
    np.testing.assert_array_equal(found.scores, scores[0])
    assert found.reasons == ()


@given(st.lists(st.integers(0, 59), min_size=1, max_size=5, unique=True), st.integers(1, 60))
@settings(deadline=None, max_examples=60)
def test_every_interest_gives_as_many_and_none_twice(history: list[int], k: int) -> None:
    query = Query(history=np.array(history, dtype=np.int64))
    found = channel().recall(query, k)
    assert len(found) == len(set(found.items.tolist())) == k
    if len(history) > 1 and k >= len(history):
        counts = takers(channel(), query, k)
        assert max(counts) - min(counts) <= 1 or k > 50  # an interest may run out of new items


def test_what_is_left_over_goes_to_the_strongest_interest() -> None:
    found = channel().recall(WARM, 10)
    strength = FlatIndex(SONGS).search(SONGS[WARM.history], 1)[1][:, 0]
    strongest = f"interest {int(np.argmax(strength)) + 1} of 3"
    assert takers(channel(), WARM, 10) == [3, 3, 4]
    assert found.reasons.count(strongest) == 4


@given(st.lists(st.integers(0, 59), min_size=1, max_size=5), st.integers(1, 60))
@settings(deadline=None, max_examples=40)
def test_the_best_items_are_those_of_highest_score_for_any_interest(
    history: list[int], k: int
) -> None:
    query = Query(history=np.array(history, dtype=np.int64))
    found = channel(Sharing.BEST).recall(query, k)
    every = (SONGS[history] @ SONGS.T).max(axis=0)
    np.testing.assert_allclose(found.scores, -np.sort(-every)[:k], rtol=1e-4, atol=1e-5)


def test_items_in_turn_begin_with_the_best_of_each_interest() -> None:
    found = channel(merging=Merging.IN_TURN).recall(WARM, 6)
    best = FlatIndex(SONGS).search(SONGS[WARM.history], 1)[0][:, 0]
    assert set(found.items[:3].tolist()) == set(best.tolist())
    np.testing.assert_allclose(found.scores, 1 / np.arange(1, 7))


def test_both_orders_list_the_same_items() -> None:
    in_turn = channel(merging=Merging.IN_TURN).recall(WARM, 20).items
    by_score = channel().recall(WARM, 20)
    assert set(in_turn.tolist()) == set(by_score.items.tolist())
    assert (np.diff(by_score.scores) <= 0).all()


def test_even_shares_serve_the_weaker_taste_too() -> None:
    # Loud songs outscore all quiet ones, so the best alone would be loud.
    loud, quiet = np.eye(2, dtype=np.float32)
    songs = np.concatenate([np.tile(3 * loud, (20, 1)), np.tile(quiet, (20, 1))])
    query = Query(history=np.array([0, 39], dtype=np.int64))
    index, encoder = FlatIndex(songs), EveryPlay(songs)
    even = NearestInterests(encoder, index).recall(query, 10).items
    best = NearestInterests(encoder, index, sharing=Sharing.BEST).recall(query, 10).items
    assert (even >= 20).sum() == 5
    assert (best >= 20).sum() == 0


def test_interests_that_do_not_fit_the_index_are_refused() -> None:
    narrow = NearestInterests(LatestAndMean(SONGS[:, :3].copy()), FlatIndex(SONGS))
    with pytest.raises(ShapeError, match="do not fit"):
        narrow.recall(WARM, 5)
