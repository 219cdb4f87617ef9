from pathlib import Path

import pandas as pd
import pytest

from parties import tables
from parties.errors import DataError, DescriptionError
from parties.tables import (
    FederationTables,
    ItemTables,
    PartnerTable,
    check_events,
    read_federation,
    wide_features,
)
from tests.parties.tables.folder import BANK, DESCRIPTION, EVENTS, make_folder


def bank(name: str = "bank", column: str = "age") -> PartnerTable:
    frame = pd.DataFrame({"user_id": ["1"], column: [30]})
    return PartnerTable(name=name, features=wide_features(frame))


def item(own_column: str | None = None) -> ItemTables:
    events = check_events(pd.DataFrame({"user_id": ["1"], "item_id": ["a"]}))
    users = pd.DataFrame({"user_id": ["1"], own_column: [1]}) if own_column else None
    return ItemTables(events=events, users=wide_features(users) if users is not None else None)


def test_a_folder_is_read_whole(tmp_path: Path) -> None:
    federation = read_federation(make_folder(tmp_path))
    assert federation.name == "example"
    assert federation.item.events["user_id"].tolist() == ["001", "002"]
    assert [partner.name for partner in federation.partners] == ["social", "bank"]
    assert federation.partners[1].user_ids == ("001", "003")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"events": EVENTS + "003,a,-2\n"}, r"events\.csv, column 'weight', line 4: '-2'"),
        ({"bank": BANK + "001,1,gold\n"}, r"bank\.csv, column 'user_id', line 4: repeats"),
        ({"social": "user_id,feature\n"}, r"social\.csv: has a header but no rows"),
        ({"bank": ""}, r"bank\.csv: is empty"),
        ({"description": DESCRIPTION.replace("bank.csv", "none.csv")}, r"none\.csv: does not"),
        ({"description": DESCRIPTION.replace('["age"]', '["income"]')}, "'income'"),
    ],
)
def test_one_bad_file_refuses_the_folder(
    tmp_path: Path, changes: dict[str, str], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        read_federation(make_folder(tmp_path, **changes))


def test_a_column_of_both_partner_and_item_party_is_refused(tmp_path: Path) -> None:
    make_folder(
        tmp_path,
        users="user_id,age\n001,30\n",
        description=DESCRIPTION.replace('"events.csv"', '"events.csv"\nusers = "users.csv"'),
    )
    with pytest.raises(DescriptionError, match="column 'age' is both partner bank's") as caught:
        read_federation(tmp_path)
    assert caught.value.file == tmp_path / "federation.toml"


def test_two_partners_may_have_one_column() -> None:
    made = FederationTables(name="x", item=item("plan"), partners=(bank(), bank("telecom")))
    assert len(made.partners) == 2


def test_a_federation_made_in_memory_is_checked_too() -> None:
    with pytest.raises(DescriptionError, match="at least one partner"):
        FederationTables(name="x", item=item(), partners=())
    with pytest.raises(DescriptionError, match="share a name"):
        FederationTables(name="x", item=item(), partners=(bank(), bank()))
    with pytest.raises(DescriptionError, match="column 'age' is both"):
        FederationTables(name="x", item=item("age"), partners=(bank(),))


def test_what_the_package_exports_exists() -> None:
    assert sorted(tables.__all__) == tables.__all__
    for name in tables.__all__:
        assert hasattr(tables, name)
