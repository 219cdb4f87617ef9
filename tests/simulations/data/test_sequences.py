from pathlib import Path

import numpy as np
import pytest

from simulations.data.sequences import read_sequences
from simulations.data.world_sequences import MULTI_TASTE, world_sequences
from simulations.errors import DataSetDamagedError, DataSetMissingError
from simulations.world import WorldConfig, generate
from tests.simulations.data.published import published


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "Made.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_line_is_a_history_in_its_order(tmp_path: Path) -> None:
    read = read_sequences(written(tmp_path, "1 5 3 9\n2 3 3 5 9\n"))
    assert [history.tolist() for history in read.histories] == [[1, 0, 2], [0, 0, 1, 2]]
    assert (read.name, read.items, read.interactions) == ("Made", 3, 7)
    assert {history.dtype for history in read.histories} == {np.dtype(np.int64)}


def test_the_last_item_is_split_off(tmp_path: Path) -> None:
    known, last = read_sequences(written(tmp_path, "1 5 3 9\n2 3 3 5 9\n")).split()
    assert [history.tolist() for history in known] == [[1, 0], [0, 0, 1]]
    assert last.tolist() == [2, 2]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is empty"),
        ("1 5 3 9\n2 3 4\n", "line 2: 2 items"),
        ("1 5 3 9\n\n", "line 2: 0 items"),
        ("1 5 3 9\n1 3 4 5\n", "line 2: user 1 came before"),
        ("1 5 -3 9\n", "line 1: '-3' is no item number"),
        ("1 5 1.5 9\n", "line 1: '1.5'"),
        ("1 5 1_0 9\n", "line 1: '1_0'"),
        ("1 5 ٣ 9\n", "line 1: '٣'"),
        ("1 5 99999999999999999999 9\n", "line 1: '9999"),
    ],
)
def test_a_line_that_is_no_history_is_refused_by_its_number(
    tmp_path: Path, text: str, complaint: str
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(DataSetDamagedError, match=complaint) as refused:
        read_sequences(path)
    assert str(path) in str(refused.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "Made.txt"
    path.write_bytes(b"1 2 3 \xff\n")
    with pytest.raises(DataSetDamagedError, match="line 1"):
        read_sequences(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataSetMissingError, match=r"none\.txt"):
        read_sequences(tmp_path / "none.txt")


@pytest.mark.parametrize(
    ("name", "sizes"), [("LastFM", (1090, 3646, 52_551)), ("Beauty", (22_363, 12_101, 198_502))]
)
def test_the_published_files_have_their_published_sizes(
    name: str, sizes: tuple[int, int, int]
) -> None:
    read = read_sequences(published("sequences") / "sequences" / f"{name}.txt")
    assert (len(read.histories), read.items, read.interactions) == sizes


def test_a_worlds_histories_are_first_plays_in_order_of_time() -> None:
    config = WorldConfig(users=60, songs=50, seed=4)
    world, read = generate(config), world_sequences(config)
    plays = world.events.sort_values("timestamp", kind="stable")
    expected = {
        tuple(songs["item_id"].drop_duplicates())
        for _, songs in plays.groupby("user_id")
        if songs["item_id"].nunique() >= 3
    }
    assert {tuple(world.truth.item_ids[own]) for own in read.histories} == expected
    assert read.items == 50


def test_a_world_says_who_has_several_tastes() -> None:
    several, one = (
        world_sequences(WorldConfig(users=60, songs=50, multi_taste=share)) for share in (1, 0)
    )
    assert several.groups[MULTI_TASTE].all()
    assert not one.groups[MULTI_TASTE].any()
    assert len(one.groups[MULTI_TASTE]) == len(one.histories)
