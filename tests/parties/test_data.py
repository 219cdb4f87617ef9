from dataclasses import fields

import numpy as np
import pytest
import scipy.sparse as sp

from parties.data import ItemData, PartnerData
from parties.errors import DataError
from parties.events import ignore_progress
from parties.session import Session
from towers.features import Features

LISTENING = sp.csr_array(np.eye(3, 2, dtype=np.float32))


def rows(count: int) -> Features:
    return Features.from_dense(np.zeros((count, 1), np.float32))


def test_data_of_matching_rows_is_taken() -> None:
    item = ItemData(users=["a", "b", "c"], listening=LISTENING, own=rows(3), songs=rows(2))
    assert len(item.users) == item.listening.shape[0]
    assert PartnerData(["a"], rows(1)).features.rows == 1


@pytest.mark.parametrize(
    ("users", "own", "songs", "problem"),
    [
        (2, 3, 2, "listening have 3 rows where 2 are due"),
        (3, 2, 2, "own features have 2 rows where 3 are due"),
        (3, 3, 3, "song features have 3 rows where 2 are due"),
    ],
)
def test_an_item_party_s_tables_must_fit_each_other(
    users: int, own: int, songs: int, problem: str
) -> None:
    names = ["a", "b", "c"][:users]
    with pytest.raises(DataError, match=problem):
        ItemData(users=names, listening=LISTENING, own=rows(own), songs=rows(songs))


def test_a_partner_s_features_must_fit_its_users() -> None:
    with pytest.raises(DataError, match="features have 2 rows where 1 are due"):
        PartnerData(["a"], rows(2))


def test_printed_data_shows_no_user() -> None:
    item = ItemData(users=["ada", "bob", "cyd"], listening=LISTENING)
    assert "ada" not in repr(item)
    assert "ada" not in repr(PartnerData(["ada"], rows(1)))


def test_a_session_without_a_watcher_ignores_progress() -> None:
    assert {field.name: field.default for field in fields(Session)}["watch"] is ignore_progress
