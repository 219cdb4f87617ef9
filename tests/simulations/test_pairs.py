"""Pairs of a user and a song, by their ids."""

import pandas as pd
import scipy.sparse as sp

from simulations.pairs import pairs_of, without

USERS, ITEMS = ["ann", "bob"], ["x", "y", "z"]
PLAYS = sp.csr_array([[0, 2, 0], [1, 0, 3]])


def test_every_entry_is_a_pair_of_ids() -> None:
    pairs = pairs_of(PLAYS, USERS, ITEMS)
    assert pairs.to_dict("list") == {"user_id": ["ann", "bob", "bob"], "item_id": ["y", "x", "z"]}


def test_rows_about_a_pair_are_left_out_and_only_those() -> None:
    table = pd.DataFrame(
        {
            "user_id": ["ann", "ann", "bob", "bob", "cat"],
            "item_id": ["y", "x", "z", "y", "z"],
            "tag": list("abcde"),
        },
        dtype="str",
    )
    assert without(table, pairs_of(PLAYS, USERS, ITEMS))["tag"].tolist() == ["b", "d", "e"]


def test_without_pairs_every_row_stays() -> None:
    table = pd.DataFrame({"user_id": ["ann"], "item_id": ["y"]}, dtype="str")
    pd.testing.assert_frame_equal(without(table, pairs_of(PLAYS[:0], [], ITEMS)), table)
