from pathlib import Path

import numpy as np
import pytest

from recall import Candidates, FlatIndex, Popularity, Query
from simulations.channels.federated import FederatedChannel, save_queries
from simulations.channels.lists import FILE, ChannelLists, Recalled
from simulations.errors import RunFolderError

POPULAR = Popularity.from_counts([5, 0, 3, 9])
QUERIES = [Query(), Query(excluded=np.array([3, 0], dtype=np.int64))]


def lists() -> ChannelLists:
    return ChannelLists(
        users=np.array([4, 7]), lists={"popularity": Recalled.by(POPULAR, QUERIES, 3)}
    )


def items(found: Candidates) -> list[int]:
    return [int(item) for item in found.items]


def test_a_users_list_is_what_the_channel_recalled_without_what_the_query_excludes() -> None:
    assert items(lists().of(4)["popularity"]) == [3, 0, 2]
    assert items(lists().of(7)["popularity"]) == [2]
    assert lists().of(7)["popularity"].scores.tolist() == [3]


def test_lists_come_back_as_they_were_saved(tmp_path: Path) -> None:
    lists().save(tmp_path)
    back = ChannelLists.load(tmp_path)
    for user in (4, 7):
        assert items(back.of(user)["popularity"]) == items(lists().of(user)["popularity"])


@pytest.mark.parametrize("data", [None, b"", b"no archive"])
def test_lists_that_are_missing_or_damaged_are_refused_by_name(
    data: bytes | None, tmp_path: Path
) -> None:
    if data is not None:
        (tmp_path / FILE).write_bytes(data)
    with pytest.raises(RunFolderError, match=FILE):
        ChannelLists.load(tmp_path)


def test_a_user_no_partner_knows_has_no_vector_and_no_federated_list(tmp_path: Path) -> None:
    FlatIndex([[1.0, 0.0], [0.0, 1.0]]).save(tmp_path / "index")
    save_queries(tmp_path, np.array([[1, 0], [0, 1]], dtype=np.float32))
    channel = FederatedChannel.load(tmp_path, np.array([True, False]))
    known, stranger = channel.query(0), channel.query(1)
    assert stranger.vector is None
    recalled = channel.recalled([known, stranger], 2)
    assert items(recalled.candidates(0)) == [0, 1]
    assert items(recalled.candidates(1)) == []


def test_the_federated_channel_leaves_out_what_a_user_has_heard(tmp_path: Path) -> None:
    FlatIndex([[1.0, 0.0], [0.0, 1.0]]).save(tmp_path / "index")
    save_queries(tmp_path, np.array([[1, 0]], dtype=np.float32))
    channel = FederatedChannel.load(tmp_path, np.array([True]))
    query = channel.query(0, history=np.array([0], dtype=np.int64))
    assert items(channel.recalled([query], 2).candidates(0)) == [1]
