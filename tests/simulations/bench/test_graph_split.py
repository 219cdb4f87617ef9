from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from federation.errors import SettingError
from parties.listening import item_listening
from parties.tables import ItemTables, check_events
from recall import GraphPaths, Popularity
from simulations.bench.graph_split import WarmSplit, hide_items
from simulations.data import load
from tests.recall.made_graph import made


@pytest.fixture(scope="module")
def tables(tiny: Path) -> ItemTables:
    return load(str(tiny)).tables.item


def split_of(tables: ItemTables, seed: int = 0) -> WarmSplit:
    return hide_items(item_listening(tables), tables.events, 0.2, seed=seed)


def test_a_fifth_of_each_users_songs_is_hidden_and_the_rest_is_left(tables: ItemTables) -> None:
    whole, split = item_listening(tables).weights, split_of(tables)
    songs, hidden = np.diff(whole.indptr), np.diff(split.hidden.indptr)
    np.testing.assert_array_equal(hidden, np.floor(0.2 * songs))
    assert (abs(split.visible + split.hidden - whole) > 1e-9).nnz == 0
    assert split.visible.multiply(split.hidden).nnz == 0
    assert split.tested.tolist() == np.flatnonzero(hidden).tolist()


def test_no_event_of_a_hidden_pair_is_left_skipped_or_not(tables: ItemTables) -> None:
    split = split_of(tables)
    pairs = ["user_id", "item_id"]
    left = pd.MultiIndex.from_frame(split.events[pairs])
    assert not left.isin(pd.MultiIndex.from_frame(split.hidden_pairs)).any()
    assert len(split.hidden_pairs) == split.hidden.nnz
    gone = len(tables.events) - len(split.events)
    assert gone >= split.hidden.nnz


def test_the_seed_decides_what_is_hidden(tables: ItemTables) -> None:
    one, same, other = split_of(tables), split_of(tables), split_of(tables, 1)
    assert (one.hidden != same.hidden).nnz == 0
    assert (one.hidden != other.hidden).nnz > 0


def test_what_is_hidden_from_a_split_stays_hidden_in_the_next(tables: ItemTables) -> None:
    first = split_of(tables)
    second = hide_items(item_listening(tables), first.events, 0.2, seed=5)
    seen = second.visible + second.hidden
    assert seen.multiply(first.hidden).nnz == 0
    assert (seen != first.visible).nnz == 0


def test_histories_are_what_was_heard_in_order_of_time(tables: ItemTables) -> None:
    split = split_of(tables)
    for number in split.tested[:20]:
        events = split.events[split.events["user_id"] == split.users[number]]
        heard = events[~events["skipped"]].sort_values("timestamp", kind="stable")
        assert [split.items[song] for song in split.histories[int(number)]] == list(
            heard["item_id"]
        )


def test_without_times_the_most_played_song_comes_last() -> None:
    events = check_events(
        pd.DataFrame({"user_id": "u", "item_id": list("abcde"), "weight": [3, 9, 1, 5, 2]})
    )
    split = hide_items(item_listening(ItemTables(events=events)), events, 0.2, seed=0)
    weights = split.visible[[0]].toarray().ravel()[split.histories[0]]
    assert weights.tolist() == sorted(weights)


def test_lists_hold_nothing_that_may_be_seen_already(tables: ItemTables) -> None:
    split = split_of(tables)
    users = split.tested[:5]
    ranked = split.ranked(Popularity.from_counts(np.ones(150)), users, 150)
    for user, row in zip(users, ranked, strict=True):
        known = split.visible[[user]].indices
        assert not np.isin(known, row).any()
        assert (row >= 0).sum() == 150 - len(known)
    nobody = GraphPaths(graph=made([], songs=150, labels=["s"] * 150, relations=()))
    assert (split.ranked(nobody, users, 7) == -1).all()


def test_a_share_of_too_few_songs_is_refused() -> None:
    events = check_events(pd.DataFrame({"user_id": ["u"], "item_id": ["a"]}))
    with pytest.raises(SettingError, match="songs enough"):
        hide_items(item_listening(ItemTables(events=events)), events, 0.2, seed=0)
