import shutil
from pathlib import Path

import numpy as np
import pytest

from parties.errors import DataError
from simulations.data import load
from simulations.listening import Listening, listening_of

DESCRIPTION = """name = "made"
[item_party]
events = "events.csv"
users = "users.csv"
[[partner]]
name = "social"
users = "social.csv"
"""


def made(
    folder: Path, events: str, users: str = "user_id,plan\nann,a\nbob,b\neve,\n"
) -> Listening:
    (folder / "federation.toml").write_text(DESCRIPTION)
    (folder / "events.csv").write_text(events)
    (folder / "users.csv").write_text(users)
    (folder / "social.csv").write_text("user_id,feature\nann,f\nzoe,f\neve,g\n")
    return listening_of(load(str(folder)).tables)


def test_users_and_songs_are_numbered_in_order_and_plays_are_counted(tmp_path: Path) -> None:
    data = made(tmp_path, "user_id,item_id\nbob,s2\nann,s1\nbob,s2\nbob,s1\n")
    assert list(data.users) == ["ann", "bob", "eve"]
    assert list(data.items) == ["s1", "s2"]
    assert data.weights.toarray().tolist() == [[1, 0], [1, 2], [0, 0]]
    assert data.songs is None


def test_a_given_weight_counts_and_nothing_or_less_is_no_listening(tmp_path: Path) -> None:
    data = made(tmp_path, "user_id,item_id,weight\nann,s1,2.5\nann,s1,1\nbob,s2,0\n")
    assert data.weights.toarray().tolist() == [[3.5], [0], [0]]


def test_seconds_count_unless_a_play_was_skipped(tmp_path: Path) -> None:
    events = (
        "user_id,item_id,played_seconds,skipped\n"
        "ann,s1,100,0\nann,s1,50,0\nbob,s1,9,1\nbob,s1,0,0\neve,s1,,0\n"
    )
    data = made(tmp_path, events)
    # A play of an unknown or no length is still a play.
    assert data.weights.toarray().tolist() == [[150], [1], [1]]


def test_a_log_without_a_play_that_counts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no event is left"):
        made(tmp_path, "user_id,item_id,weight\nann,s1,0\n")


def test_hidden_users_listened_to_nothing_as_far_as_the_item_party_knows(
    listening: Listening,
) -> None:
    hidden = np.array([0, 5, 9])
    item = listening.item_data(hidden)
    assert np.diff(item.listening.indptr)[hidden].tolist() == [0, 0, 0]
    others = np.setdiff1d(np.arange(len(listening.users)), hidden)
    shown = listening.weights[others]
    assert item.listening[others].nnz == shown.nnz
    np.testing.assert_allclose(item.listening[others].toarray(), shown.toarray(), rtol=1e-6)
    # The data itself still holds what is hidden: it is what the system is judged by.
    assert listening.weights[hidden].nnz > 0


def test_partners_know_the_users_whose_ids_they_hold(tmp_path: Path) -> None:
    data = made(tmp_path, "user_id,item_id\nann,s1\nbob,s1\n")
    assert data.known().tolist() == [[True], [False], [True]]


def test_segments_come_from_the_first_column_of_few_categories(tmp_path: Path) -> None:
    data = made(tmp_path, "user_id,item_id\nann,s1\n")
    assert data.segments.tolist() == ["a", "b", ""]


def test_a_column_of_many_categories_is_no_segment(tmp_path: Path) -> None:
    users = "user_id,plan\n" + "".join(f"u{n},kind{n}\n" for n in range(20))
    data = made(tmp_path, "user_id,item_id\nu1,s1\n", users)
    assert set(data.segments.tolist()) == {""}


def test_the_entry_point_is_the_one_most_plays_began_at(tmp_path: Path) -> None:
    events = "user_id,item_id,entry_point\nann,s1,radio\nann,s1,search\nann,s2,search\nbob,s1,\n"
    data = made(tmp_path, events)
    assert data.entry_points.tolist() == ["search", "", ""]


def test_a_federation_without_own_features_or_entry_points_has_none(
    tiny: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny, tmp_path / "copy")
    text = (folder / "federation.toml").read_text()
    lines = [line for line in text.splitlines() if 'users = "users.csv"' not in line]
    (folder / "federation.toml").write_text("\n".join(lines))
    events = (folder / "events.csv").read_text().splitlines()
    kept = [",".join(line.split(",")[:2]) for line in events]
    (folder / "events.csv").write_text("\n".join(kept) + "\n")
    data = listening_of(load(str(folder)).tables)
    assert data.own is None
    assert set(data.entry_points.tolist()) == {""}
    assert set(data.segments.tolist()) == {""}
