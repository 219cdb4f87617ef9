from itertools import pairwise

import pandas as pd

from parties.sessions import sessions_of
from parties.tables import check_events

ITEMS = ["a", "b", "c", "d"]


def lists(events: pd.DataFrame) -> list[list[int]]:
    found = sessions_of(check_events(events), ITEMS)
    bounds = found.starts.tolist()
    return [found.songs[first:stop].tolist() for first, stop in pairwise(bounds)]


def test_a_long_pause_and_another_user_begin_a_session() -> None:
    events = pd.DataFrame(
        {
            "user_id": ["v", "u", "u", "u", "v"],
            "item_id": ["d", "b", "a", "c", "a"],
            "timestamp": [30.0, 1000.0, 0.0, 2801.0, 40.0],
        }
    )
    assert lists(events) == [[0, 1], [2], [3, 0]]


def test_skipped_plays_and_unknown_songs_are_left_out() -> None:
    events = pd.DataFrame(
        {
            "user_id": ["u"] * 3,
            "item_id": ["a", "b", "x"],
            "timestamp": [0.0, 1.0, 2.0],
            "skipped": [0, 1, 0],
        }
    )
    assert lists(events) == [[0]]


def test_without_times_a_users_songs_are_one_session_without_order() -> None:
    events = pd.DataFrame({"user_id": ["u", "v", "u", "u"], "item_id": ["c", "d", "a", "c"]})
    assert lists(events) == [[0, 2], [3]]
    assert not sessions_of(check_events(events), ITEMS).ordered


def test_no_event_is_no_session() -> None:
    events = pd.DataFrame({"user_id": ["u"], "item_id": ["x"]})
    assert lists(events) == []
