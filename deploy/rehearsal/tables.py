"""Giving every party its own tables and nothing else, each in a folder of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deploy.rehearsal.marking import Marks, marked
from deploy.rehearsal.toml_lines import Value
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


def hand_out(data: str, folder: Path, *, marks: Marks | None = None) -> dict[str, Handout]:
    """Cut a data set into what each party holds.

    Args:
        data: name or folder of the data set.
        folder: where the tables are written; must not exist.
        marks: put before the data's texts, so that they can be told from chance in a capture.

    Returns:
        Party → what it holds; partners in the data set's order.
    """
    tables = load(data).tables
    write_folder(tables if marks is None else marked(tables, marks), folder)
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
