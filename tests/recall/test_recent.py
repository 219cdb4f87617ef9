import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recall import (
    NOTHING,
    ConfigError,
    Neighbours,
    Query,
    RecentConfig,
    RecentNeighbours,
    ShapeError,
)
from tests.recall.made_tastes import two_tastes

PLAYS, _ = two_tastes()
NEIGHBOURS = Neighbours.from_plays(PLAYS)


def slow_scores(history: list[int], config: RecentConfig) -> np.ndarray:
    """The formula of the channel, a song of the user at a time."""
    table = NEIGHBOURS.table.toarray().astype(np.float64)
    newest_first = history[::-1]
    songs = sorted(set(history), key=newest_first.index)[: config.songs]
    scores = np.zeros(len(table))
    for song in songs:
        loudness = np.log2(1 + history.count(song))
        scores += table[song] * loudness * 0.5 ** (newest_first.index(song) / config.half_life)
    return scores


@given(
    st.lists(st.integers(0, 59), min_size=1, max_size=12),
    st.integers(1, 8),
    st.sampled_from([1.0, 7.5, np.inf]),
)
@settings(deadline=None, max_examples=60)
def test_scores_equal_the_slow_formula(history: list[int], songs: int, half_life: float) -> None:
    config = RecentConfig(songs=songs, half_life=half_life)
    query = Query(history=np.array(history, dtype=np.int64))
    found = RecentNeighbours(NEIGHBOURS, config).recall(query, 100)
    slow = slow_scores(history, config)
    assert sorted(found.items.tolist()) == np.flatnonzero(slow > 0).tolist()
    np.testing.assert_allclose(found.scores, slow[found.items], rtol=1e-5)


def test_a_reason_names_the_song_that_speaks_loudest() -> None:
    plays = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 1, 1, 1]])
    channel = RecentNeighbours(Neighbours.from_plays(plays), titles=["A", "B", "C", "D"])
    found = channel.recall(Query(history=np.array([2, 0])), 4)
    assert dict(zip(found.items.tolist(), found.reasons, strict=True)) == {
        1: "listeners of A also play this",  # of C too, but fewer
        3: "listeners of C also play this",
    }


def test_songs_without_titles_are_called_by_number() -> None:
    found = RecentNeighbours(NEIGHBOURS).recall(Query(history=np.array([4])), 1)
    assert found.reasons == ("listeners of song 4 also play this",)


def test_what_was_played_last_weighs_more_than_what_was_played_first() -> None:
    plays = np.array([[1, 1, 0, 0], [0, 0, 1, 1]])
    channel = RecentNeighbours(Neighbours.from_plays(plays), RecentConfig(half_life=1))
    assert channel.recall(Query(history=np.array([0, 2])), 2).items.tolist() == [3, 1]
    assert channel.recall(Query(history=np.array([2, 0])), 2).items.tolist() == [1, 3]


def test_what_was_played_often_weighs_more_than_what_was_played_once() -> None:
    plays = np.array([[1, 1, 0, 0], [0, 0, 1, 1]])
    channel = RecentNeighbours(Neighbours.from_plays(plays), RecentConfig(half_life=np.inf))
    assert channel.recall(Query(history=np.array([0, 0, 2])), 2).items.tolist() == [1, 3]


@pytest.mark.parametrize("history", [[], [60, -1]])
def test_a_user_without_a_known_song_gets_nothing(history: list[int]) -> None:
    query = Query(history=np.array(history, dtype=np.int64))
    assert RecentNeighbours(NEIGHBOURS).recall(query, 5) is NOTHING


def test_a_song_without_neighbours_recalls_nothing() -> None:
    lonely = Neighbours.from_plays(np.array([[1, 0, 0], [0, 1, 1]]))
    assert len(RecentNeighbours(lonely).recall(Query(history=np.array([0])), 5)) == 0


def test_titles_must_be_as_many_as_songs() -> None:
    with pytest.raises(ShapeError, match="1 titles for 60 songs"):
        RecentNeighbours(NEIGHBOURS, titles=["only one"])


@pytest.mark.parametrize("wrong", [{"songs": 0}, {"half_life": 0.0}, {"half_life": np.nan}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="recent"):
        RecentConfig(**wrong)  # type: ignore[arg-type]
