"""Making a data set's texts unmistakable, so that none is found by chance and none is too short.

A mark stands before every text of its kind. Texts keep their order, so a run on marked tables is
the run on the tables themselves.
"""

from dataclasses import dataclass, replace

import pandas as pd

from parties.tables import (
    FeatureFrame,
    FeatureLayout,
    FederationTables,
    ItemTables,
    PartnerTable,
)
from parties.tables.features import FEATURE, SEPARATOR


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What is put before which texts.

    Args:
        user: identifiers of users.
        name: texts of the song table.
        feature: names of columns and features, and texts of user tables.
    """

    user: str = "listener:"
    name: str = "songtext:"
    feature: str = "attribute:"


def marked(tables: FederationTables, marks: Marks) -> FederationTables:
    """The same tables with marks before their texts."""
    return replace(
        tables,
        item=_item(tables.item, marks),
        partners=tuple(_partner(partner, marks) for partner in tables.partners),
    )


def _item(item: ItemTables, marks: Marks) -> ItemTables:
    events: pd.DataFrame = item.events.assign(
        user_id=marks.user + item.events["user_id"].astype(str)
    )
    users = item.users and _users(item.users, marks)
    items = item.items and _cells(item.items, marks.name, marks.feature)
    return replace(item, events=events, users=users, items=items)


def _partner(partner: PartnerTable, marks: Marks) -> PartnerTable:
    sensitive = tuple(marks.feature + name for name in partner.sensitive)
    return replace(partner, features=_users(partner.features, marks), sensitive=sensitive)


def _users(frame: FeatureFrame, marks: Marks) -> FeatureFrame:
    frame = _cells(frame, marks.feature, marks.feature)
    return replace(frame, ids=tuple(marks.user + each for each in frame.ids))


def _cells(frame: FeatureFrame, mark: str, column_mark: str) -> FeatureFrame:
    if frame.layout is FeatureLayout.LONG:
        features = mark + frame.table[FEATURE].astype(str)
        return replace(frame, table=frame.table.assign(**{FEATURE: features}))
    table = frame.table.copy()
    for name in table:
        if not pd.api.types.is_numeric_dtype(table[name]):
            table[name] = table[name].map(
                lambda cell: _marked_cell(cell, mark), na_action="ignore"
            )
    kinds = {column_mark + name: kind for name, kind in frame.kinds.items()}
    return replace(frame, table=table.add_prefix(column_mark), kinds=kinds)


def _marked_cell(cell: object, mark: str) -> object:
    if not isinstance(cell, str):  # missing
        return cell
    return SEPARATOR.join(mark + part for part in cell.split(SEPARATOR))
