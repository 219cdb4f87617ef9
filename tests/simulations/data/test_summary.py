import io
import json

import pandas as pd
import pytest
from rich.console import Console

from parties.tables import (
    FederationTables,
    ItemTables,
    PartnerTable,
    check_events,
    check_triples,
    long_features,
    wide_features,
)
from simulations.data import DataSummary, describe, render

PLAYS = [("u1", "hit")] * 6 + [("u2", "hit"), ("u2", "rare1"), ("u3", "rare2"), ("u3", "rare3")]


@pytest.fixture
def tables() -> FederationTables:
    bank = {"user_id": ["u1", "stranger"], "age": [30, None], "plan": ["gold", "basic"]}
    social = {"user_id": ["u1", "u2", "u2"], "feature": ["friend=u2", "friend=u1", "friend=u9"]}
    return FederationTables(
        name="small",
        item=ItemTables(
            events=check_events(pd.DataFrame(PLAYS, columns=["user_id", "item_id"])),
            items=wide_features(
                pd.DataFrame({"item_id": ["hit", "new"], "genre": ["a|b", "a"]}), key="item_id"
            ),
            users=wide_features(pd.DataFrame({"user_id": ["u1", "quiet"], "year": [1, 2]})),
            triples=check_triples(
                pd.DataFrame({"head": ["hit"], "relation": ["by"], "tail": ["x"]})
            ),
        ),
        partners=(
            PartnerTable(
                name="bank", features=wide_features(pd.DataFrame(bank)), sensitive=("age",)
            ),
            PartnerTable(name="social", features=long_features(pd.DataFrame(social))),
        ),
    )


@pytest.fixture
def summary(tables: FederationTables) -> DataSummary:
    return describe(tables)


def test_the_item_party_is_counted(summary: DataSummary) -> None:
    item = summary.item
    assert (item.users, item.items, item.events, item.triples) == (4, 5, 10, 1)
    assert item.density == pytest.approx(5 / (3 * 4))
    assert item.top_shares == {"1%": 0.7, "10%": 0.7}
    assert item.event_columns == ("user_id", "item_id")


def test_partners_and_what_they_share_are_counted(summary: DataSummary) -> None:
    bank, social = summary.partners
    assert (bank.name, bank.users, bank.shared, bank.sensitive) == ("bank", 2, 1, 1)
    assert (social.name, social.users, social.shared) == ("social", 2, 2)
    assert [(overlap.partners, overlap.shared) for overlap in summary.overlaps] == [
        (("bank", "social"), 1)
    ]
    assert summary.shared_by_all == 1


def test_features_are_counted_by_kind_with_their_gaps(summary: DataSummary) -> None:
    bank, social = (partner.features for partner in summary.partners)
    assert bank.columns == {"numeric": 1, "categorical": 1}
    assert bank.missing == {"age": 0.5, "plan": 0.0}
    assert bank.values_per_key == 1.5
    assert social.columns == {"features": 3}
    assert social.values_per_key == 1.5
    assert summary.item.item_features is not None
    assert summary.item.item_features.columns == {"multi": 1}


def printed(summary: DataSummary) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(render(summary))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_json_holds_every_number(summary: DataSummary) -> None:
    read = json.loads(summary.to_json())
    assert read["name"] == "small"
    assert read["item"]["events"] == 10
    assert read["partners"][0]["features"]["missing"] == {"age": 0.5, "plan": 0.0}
    assert read["overlaps"] == [{"partners": ["bank", "social"], "shared": 1}]


def test_no_identifier_appears(summary: DataSummary) -> None:
    for text in (printed(summary), summary.to_json(), repr(summary)):
        for secret in ("u1", "u2", "u9", "stranger", "quiet", "hit", "rare1"):
            assert secret not in text


def test_a_terminal_shows_counts_shares_and_gaps(summary: DataSummary) -> None:
    shown = printed(summary)
    for part in ("small: item party", "41.667%", "age 50%", "1 (25%)", "bank and social"):
        assert part in shown


def test_a_party_without_side_tables_is_described(tables: FederationTables) -> None:
    bare = FederationTables(
        name="bare", item=ItemTables(events=tables.item.events), partners=tables.partners[:1]
    )
    summary = describe(bare)
    assert (summary.item.users, summary.item.items) == (3, 4)
    assert summary.item.item_features is None
    assert summary.overlaps == ()
    assert "triples" not in printed(summary)
