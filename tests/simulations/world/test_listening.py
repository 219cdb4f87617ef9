from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulations.world import PRESETS, SOCIAL, World, WorldConfig, generate
from simulations.world.listening import (
    CHUNK_USERS,
    EPOCH,
    PAUSE,
    _draw_rows,
    _earlier_plays,
    _without_overlap,
)
from simulations.world.people import make_people

COLUMNS = [
    "user_id",
    "item_id",
    "timestamp",
    "played_seconds",
    "song_seconds",
    "liked",
    "skipped",
    "entry_point",
]


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**63 - 1),
    users=st.integers(20, 60),
    songs=st.integers(20, 60),
    silent=st.floats(0, 0.9),
    repeats=st.floats(0, 0.9),
    mean_songs=st.floats(1, 12),
)
def test_any_log_is_consistent(
    seed: int, users: int, songs: int, silent: float, repeats: float, mean_songs: float
) -> None:
    config = WorldConfig(
        seed=seed,
        users=users,
        songs=songs,
        silent_users=silent,
        repeats=repeats,
        mean_session_songs=mean_songs,
        mean_sessions=2.0,
    )
    world = generate(config)
    events = world.events
    assert list(events.columns) == COLUMNS
    assert not events.isna().any(axis=None)
    assert set(events["user_id"]) <= set(world.users["user_id"])
    lengths = world.items.set_index("item_id")["song_seconds"]
    assert (events["song_seconds"].to_numpy() == lengths[events["item_id"]].to_numpy()).all()
    assert events["played_seconds"].between(0, events["song_seconds"]).all()
    assert events["skipped"].eq(events["played_seconds"] < 0.5 * events["song_seconds"]).all()
    heard_out = events["played_seconds"] == events["song_seconds"]
    assert heard_out[events["liked"] == 1].all()
    assert set(events["liked"]) | set(events["skipped"]) <= {0, 1}
    assert set(events["entry_point"]) <= {"search", "daily", "radio", "playlist"}


def test_a_user_plays_one_song_after_another(world: World) -> None:
    for _, own in world.events.groupby("user_id", sort=False):
        start = own["timestamp"].to_numpy()
        ends = start + own["played_seconds"].to_numpy()
        assert (start[1:] >= ends[:-1]).all()
        assert start[0] >= EPOCH


def test_sessions_last_and_lie_apart(world: World, small: WorldConfig) -> None:
    events = world.events
    waits = events["timestamp"] - (events["timestamp"] + events["played_seconds"]).shift()
    new = (events["user_id"] != events["user_id"].shift()) | (waits > PAUSE - 2)
    assert (events.groupby(new.cumsum())["entry_point"].nunique() == 1).all()
    assert new.size / new.sum() == pytest.approx(small.mean_session_songs, rel=0.05)


def test_a_session_stays_with_one_taste(world: World) -> None:
    """Consecutive plays share a genre more often than plays of the same user at large."""
    events = world.events.merge(world.items[["item_id", "genre"]], on="item_id")
    multi = world.people.ids[: world.people.users][
        world.people.weight[: world.people.users, 1] > 0
    ]
    mine = events[events["user_id"].isin(multi)]
    neighbour = mine["genre"] == mine.groupby("user_id")["genre"].shift()
    shuffled = mine.sample(frac=1, random_state=0)
    stranger = shuffled["genre"] == shuffled.groupby("user_id")["genre"].shift()
    assert neighbour.mean() > stranger.mean() + 0.1


def test_plays_are_long_tailed() -> None:
    world = generate(replace(PRESETS["demo"], users=1000))
    plays = np.sort(world.events.groupby("item_id").size().to_numpy())[::-1]
    ranks = np.arange(10, 500)
    slope = np.polyfit(np.log(ranks), np.log(plays[10:500]), 1)[0]
    assert -1.1 < slope < -0.45
    assert 0.3 < plays[:200].sum() / plays.sum() < 0.7  # the most played tenth


def test_flatter_popularity_gives_flatter_plays() -> None:
    tops = []
    for zipf in (0.0, 0.65, 1.3):
        world = generate(replace(PRESETS["small"], zipf=zipf))
        plays = np.sort(world.events.groupby("item_id").size().to_numpy())[::-1]
        tops.append(plays[:30].sum() / plays.sum())
    assert tops[0] < tops[1] < tops[2]


def test_more_repeats_mean_fewer_different_songs() -> None:
    different = []
    for repeats in (0.0, 0.3, 0.8):
        events = generate(replace(PRESETS["small"], repeats=repeats)).events
        different.append(len(events.drop_duplicates(["user_id", "item_id"])) / len(events))
    assert different[0] > different[1] + 0.05 > different[2] + 0.1


def test_radio_is_skipped_more_than_search_and_likes_follow_the_rate(world: World) -> None:
    by_entry = world.events.groupby("entry_point")[["skipped", "liked"]].mean()
    assert by_entry.loc["radio", "skipped"] > by_entry.loc["search", "skipped"] + 0.02
    assert by_entry.loc["radio", "liked"] < by_entry.loc["search", "liked"]
    assert 0 < world.events["liked"].mean() < world.config.like_rate
    assert generate(replace(world.config, like_rate=0.0)).events["liked"].sum() == 0


def test_without_taste_genres_of_plays_do_not_depend_on_the_user() -> None:
    """The checkerboard of favourite genre against played genre: there, and gone without taste."""
    shares = {}
    for taste in (0.0, 9.0):
        world = generate(replace(PRESETS["small"], taste=taste))
        people, catalogue = world.people, world.catalogue
        user = pd.Index(people.ids).get_indexer(world.events["user_id"])
        song = pd.Index(catalogue.ids).get_indexer(world.events["item_id"])
        genre = catalogue.scenes.genre[catalogue.artists.scene[catalogue.artist[song]]]
        favourite = catalogue.scenes.genre[people.scene[user, 0]]
        board = pd.crosstab(favourite, genre, normalize="index").to_numpy()
        shares[taste] = np.diag(board).mean() - board[~np.eye(6, dtype=bool)].mean()
    assert abs(shares[0.0]) < 0.05
    assert shares[9.0] > 0.25


def test_the_same_seed_gives_the_same_world(world: World, small: WorldConfig) -> None:
    again = generate(small)
    pd.testing.assert_frame_equal(again.events, world.events)
    pd.testing.assert_frame_equal(again.items, world.items)
    pd.testing.assert_frame_equal(again.users, world.users)
    pd.testing.assert_frame_equal(again.triples, world.triples)
    for name, table in world.partners.items():
        pd.testing.assert_frame_equal(again.partners[name], table)


def test_another_seed_gives_another_world(world: World, small: WorldConfig) -> None:
    other = generate(replace(small, seed=1))
    assert not other.items.equals(world.items)
    assert not other.events.equals(world.events)


def test_listening_does_not_depend_on_who_the_partners_are(world: World) -> None:
    other = generate(replace(world.config, partners=(replace(SOCIAL, coverage=0.2),)))
    pd.testing.assert_frame_equal(other.events, world.events)


def test_chunks_make_the_whole_log_even_where_one_is_empty() -> None:
    base = WorldConfig(
        users=CHUNK_USERS + 1, songs=20, silent_users=0.9, mean_sessions=1.0, outsiders=0.0
    )
    worlds = (generate(replace(base, seed=seed)) for seed in range(20))
    world = next(w for w in worlds if w.people.sessions[CHUNK_USERS] == 0)
    chunks = list(world.event_chunks())
    assert [len(chunk) > 0 for chunk in chunks] == [True, False]
    assert list(chunks[1].columns) == COLUMNS
    assert (chunks[1].dtypes == chunks[0].dtypes).all()
    pd.testing.assert_frame_equal(pd.concat(chunks, ignore_index=True), world.events)


@settings(max_examples=40, deadline=None)
@given(
    odds=st.lists(
        st.lists(st.floats(0.015625, 8, width=32), min_size=3, max_size=3), min_size=1, max_size=5
    ),
    lucks=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=8),
    data=st.data(),
)
def test_rows_are_drawn_as_one_at_a_time(
    odds: list[list[float]], lucks: list[float], data: st.DataObject
) -> None:
    table = np.array(odds, dtype=np.float32)
    row = np.sort([data.draw(st.integers(0, len(odds) - 1)) for _ in lucks])
    found = _draw_rows(table, row, np.array(lucks))
    for r, luck, column in zip(row, lucks, found, strict=True):
        edges = np.cumsum(table[r].astype(np.float64)) / table[r].astype(np.float64).sum()
        slack = 1e-12
        assert edges[column] >= luck - slack
        assert column == 0 or edges[column - 1] <= luck + slack


@settings(max_examples=40, deadline=None)
@given(
    groups=st.lists(st.integers(0, 3), max_size=30),
    share=st.floats(0, 0.9),
    seed=st.integers(0, 99),
)
def test_a_repeat_goes_back_to_a_first_play_of_the_same_group(
    groups: list[int], share: float, seed: int
) -> None:
    group = np.array(groups, dtype=np.int64)
    source = _earlier_plays(group, share=share, rng=np.random.default_rng(seed))
    assert (source <= np.arange(group.size)).all()
    assert (group[source] == group).all()
    assert (source[source] == source).all()


def test_as_many_plays_are_repeats_as_asked() -> None:
    source = _earlier_plays(np.zeros(20_000, np.int64), share=0.3, rng=np.random.default_rng(0))
    assert (source != np.arange(20_000)).mean() == pytest.approx(0.3, abs=0.01)


@settings(max_examples=60, deadline=None)
@given(
    sessions=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 500), st.integers(1, 300)), max_size=15
    )
)
def test_starts_are_moved_as_little_as_needed(sessions: list[tuple[int, int, int]]) -> None:
    sessions = sorted(sessions)
    user, start, lasts = (np.array([s[j] for s in sessions], dtype=np.int64) for j in range(3))
    expected: list[int] = []
    for place, (who, wished, _) in enumerate(sessions):
        alone = place == 0 or sessions[place - 1][0] != who
        free = 0 if alone else expected[-1] + sessions[place - 1][2]
        expected.append(max(wished, free))
    assert _without_overlap(user, start, lasts).tolist() == expected


def test_user_activity_is_what_people_were_given() -> None:
    config = WorldConfig(users=400, songs=50, mean_session_songs=1.0, silent_users=0.1)
    world = generate(config)
    people = make_people(config, world.catalogue.scenes)
    plays = world.events.groupby("user_id").size().reindex(people.ids[:400], fill_value=0)
    assert np.corrcoef(plays, people.sessions[:400])[0, 1] > 0.95
