"""Giving every party its own tables and nothing else, each in a folder of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pandas as pd

from deploy.rehearsal.toml_lines import Value
from parties.tables import FeatureFrame, FederationTables, ItemTables, PartnerTable
from parties.tables.description import ItemPartyDescription, PartnerDescription, read_description
from simulations.data import load, write_folder

TABLES: Final = ("events", "items", "users", "triples")
Kinds = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Handout:
    """What one party's party.toml says of its tables.

    Args:
        files: the tables, which the party copies into its folder.
        data: keys of its [data] section.
    """

    files: tuple[Path, ...]
    data: Mapping[str, Value]


def hand_out(data: str, folder: Path, *, mark: str = "") -> dict[str, Handout]:
    """Cut a data set into what each party holds.

    Args:
        data: name or folder of the data set.
        folder: where the tables are written; must not exist.
        mark: text put before every identifier of a user, which makes it long enough to be told
            from chance in a capture and changes nothing else.

    Returns:
        Party → what it holds; partners in the data set's order.
    """
    write_folder(_marked(load(data).tables, mark), folder)
    described = read_description(folder)
    item = described.item_party
    parties = {"item": Handout(files=_item_files(item), data=_item_data(item))}
    for partner in described.partners:
        parties[partner.name] = Handout(files=(partner.users,), data=_partner_data(partner))
    return parties


def _item_files(item: ItemPartyDescription) -> tuple[Path, ...]:
    paths = (getattr(item, name) for name in TABLES)
    return tuple(path for path in paths if path is not None)


def _item_data(item: ItemPartyDescription) -> dict[str, Value]:
    named = {name: getattr(item, name) for name in TABLES}
    data: dict[str, Value] = {key: path.name for key, path in named.items() if path is not None}
    for key in ("item_columns", "user_columns"):
        if kinds := getattr(item, key):
            data[key] = _kinds(kinds)
    return data


def _partner_data(partner: PartnerDescription) -> dict[str, Value]:
    data: dict[str, Value] = {"users": partner.users.name}
    if partner.sensitive:
        data["sensitive"] = list(partner.sensitive)
    if partner.columns:
        data["columns"] = _kinds(partner.columns)
    return data


def _kinds(kinds: Kinds) -> dict[str, str]:
    return {column: str(kind.value) for column, kind in kinds.items()}


def _marked(tables: FederationTables, mark: str) -> FederationTables:
    if not mark:
        return tables
    return replace(
        tables,
        item=_marked_item(tables.item, mark),
        partners=tuple(_marked_partner(partner, mark) for partner in tables.partners),
    )


def _marked_item(item: ItemTables, mark: str) -> ItemTables:
    events: pd.DataFrame = item.events.assign(user_id=mark + item.events["user_id"].astype(str))
    return replace(item, events=events, users=_marked_rows(item.users, mark))


def _marked_partner(partner: PartnerTable, mark: str) -> PartnerTable:
    features = _marked_rows(partner.features, mark)
    return partner if features is None else replace(partner, features=features)


def _marked_rows(features: FeatureFrame | None, mark: str) -> FeatureFrame | None:
    if features is None:
        return None
    return replace(features, ids=tuple(mark + each for each in features.ids))
