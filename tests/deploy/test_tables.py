"""Every party gets its own tables, and marks on identifiers change nothing but their look."""

from pathlib import Path

import pytest

from deploy.rehearsal.marking import Marks
from deploy.rehearsal.tables import hand_out

TOML = """
name = "tiny"
[item_party]
events = "events.csv"
items = "items.csv"
users = "users.csv"
[item_party.item_columns]
year = "categorical"
[[partner]]
name = "social"
users = "social.csv"
sensitive = ["age"]
[partner.columns]
devices = "multi"
[[partner]]
name = "forum"
users = "forum.csv"
"""
TABLES = {
    "events.csv": "user_id,item_id,weight\nu1,s1,2\nu2,s2,1\n",
    "items.csv": "item_id,year,title\ns1,1999,A long song\ns2,2001,Another song\n",
    "users.csv": "user_id,country\nu1,se\nu2,se\n",
    "social.csv": "user_id,age,devices\nu1,30,tv|phone\nu2,40,tv\n",
    "forum.csv": "user_id,feature\nu1,tag=1\nu2,tag=1\n",
}


@pytest.fixture
def data(tmp_path: Path) -> str:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "federation.toml").write_text(TOML)
    for name, text in TABLES.items():
        (folder / name).write_text(text)
    return str(folder)


def test_every_party_gets_its_own_tables_and_no_others(data: str, tmp_path: Path) -> None:
    parties = hand_out(data, tmp_path / "out")
    assert list(parties) == ["item", "social", "forum"]
    files = {name: {path.name for path in each.files} for name, each in parties.items()}
    assert files["item"] == {"events.csv", "items.csv", "users.csv"}
    assert not files["social"] & files["forum"]
    assert all(path.is_file() for each in parties.values() for path in each.files)


def test_what_was_declared_of_columns_is_handed_on(data: str, tmp_path: Path) -> None:
    parties = hand_out(data, tmp_path / "out")
    assert parties["item"].data["item_columns"] == {"year": "categorical", "title": "categorical"}
    social = parties["social"].data
    assert social["sensitive"] == ["age"]
    assert social["columns"] == {"age": "numeric", "devices": "multi"}
    assert parties["forum"].data == {"users": parties["forum"].files[0].name}


def test_marks_stand_before_every_text_and_change_nothing_else(data: str, tmp_path: Path) -> None:
    plain = hand_out(data, tmp_path / "plain")
    marked = hand_out(data, tmp_path / "marked", marks=Marks())
    for name, handout in marked.items():
        for path, before in zip(handout.files, plain[name].files, strict=True):
            text = path.read_text()
            for mark in ("listener:", "songtext:", "attribute:"):
                text = text.replace(mark, "")
            assert text == before.read_text(), name


def test_every_kind_of_text_has_its_mark(data: str, tmp_path: Path) -> None:
    parties = hand_out(data, tmp_path / "out", marks=Marks())
    texts = {path.name: path.read_text() for each in parties.values() for path in each.files}
    assert "listener:u1" in texts["events.csv"]
    assert "songtext:A long song" in texts["items.csv"]
    assert "attribute:country" in texts["users.csv"]
    assert "attribute:tv|attribute:phone" in texts["partner-social.csv"]
    assert "attribute:tag=1" in texts["partner-forum.csv"]
    assert parties["social"].data["sensitive"] == ["attribute:age"]
