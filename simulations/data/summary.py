"""What a data set holds, in counts and shares; no identifier of a person or song appears."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import combinations

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table

from parties.tables import (
    ColumnKind,
    FeatureFrame,
    FeatureLayout,
    FederationTables,
    ItemTables,
    PartnerTable,
)

TOP_SHARES = (0.01, 0.1)  # of the items, by their events


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSummary:
    """A feature table in numbers.

    Attributes:
        layout: wide or long.
        columns: wide: how many columns of each kind; long: how many distinct features.
        missing: share of rows without a value, by column; empty for a long table.
        values_per_key: mean number of values a user or item has.
    """

    layout: str
    columns: Mapping[str, int]
    missing: Mapping[str, float]
    values_per_key: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemSummary:
    """The item party in numbers.

    Attributes:
        users: users with an event or a row of their own.
        items: items with an event or a row.
        events: rows of the event table.
        density: distinct (user, item) pairs over users times items that have events.
        top_shares: share of events on the most played items, by the share of items.
        event_columns: the columns the events have.
        item_features: None without an item table.
        user_features: None without a user table.
        triples: rows of the triple table; None without one.
    """

    users: int
    items: int
    events: int
    density: float
    top_shares: Mapping[str, float]
    event_columns: tuple[str, ...]
    item_features: FeatureSummary | None
    user_features: FeatureSummary | None
    triples: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerSummary:
    """A partner in numbers: `shared` of its users are also the item party's."""

    name: str
    users: int
    shared: int
    features: FeatureSummary
    sensitive: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlapSummary:
    """How many users two partners share."""

    partners: tuple[str, str]
    shared: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSummary:
    """A data set in numbers."""

    name: str
    item: ItemSummary
    partners: tuple[PartnerSummary, ...]
    overlaps: tuple[OverlapSummary, ...]
    shared_by_all: int

    def to_json(self) -> str:
        """The same numbers as JSON."""
        return json.dumps(asdict(self), indent=1)


def describe(tables: FederationTables) -> DataSummary:
    """Count what a data set holds."""
    item_users = _item_users(tables.item)
    users = {partner.name: frozenset(partner.user_ids) for partner in tables.partners}
    return DataSummary(
        name=tables.name,
        item=_item(tables.item, len(item_users)),
        partners=tuple(_partner(partner, item_users) for partner in tables.partners),
        overlaps=tuple(
            OverlapSummary(partners=(a, b), shared=len(users[a] & users[b]))
            for a, b in combinations(users, 2)
        ),
        shared_by_all=len(item_users.intersection(*users.values())),
    )


def render(summary: DataSummary) -> RenderableType:
    """The summary as tables for a terminal."""
    return Group(_render_item(summary), _render_partners(summary), _render_overlaps(summary))


def _item_users(item: ItemTables) -> frozenset[str]:
    own = item.users.ids if item.users else ()
    return frozenset(item.events["user_id"].unique()).union(own)


def _item(item: ItemTables, users: int) -> ItemSummary:
    events = item.events
    pairs = len(events[["user_id", "item_id"]].drop_duplicates())
    played = events["item_id"].value_counts()
    rows = item.items.ids if item.items else ()
    return ItemSummary(
        users=users,
        items=len(frozenset(played.index).union(rows)),
        events=len(events),
        density=pairs / (events["user_id"].nunique() * len(played)),
        top_shares={
            f"{share:.0%}": _top_share(np.asarray(played, np.int64), share) for share in TOP_SHARES
        },
        event_columns=tuple(events.columns),
        item_features=_features(item.items) if item.items else None,
        user_features=_features(item.users) if item.users else None,
        triples=len(item.triples) if item.triples is not None else None,
    )


def _top_share(counts: np.ndarray[tuple[int, ...], np.dtype[np.int64]], share: float) -> float:
    """Share of events on the first `share` of items; `counts` falls from item to item."""
    top = max(1, round(len(counts) * share))
    return float(counts[:top].sum() / counts.sum())


def _partner(partner: PartnerTable, item_users: frozenset[str]) -> PartnerSummary:
    return PartnerSummary(
        name=partner.name,
        users=len(partner.user_ids),
        shared=len(item_users.intersection(partner.user_ids)),
        features=_features(partner.features),
        sensitive=len(partner.sensitive),
    )


def _features(features: FeatureFrame) -> FeatureSummary:
    keys = max(len(features.ids), 1)
    if features.layout is FeatureLayout.LONG:
        return FeatureSummary(
            layout=features.layout,
            columns={"features": int(features.table["feature"].nunique())},
            missing={},
            values_per_key=len(features.table) / keys,
        )
    kinds = list(features.kinds.values())
    return FeatureSummary(
        layout=features.layout,
        columns={kind.value: kinds.count(kind) for kind in ColumnKind if kind in kinds},
        missing={n: float(features.table[n].isna().mean()) for n in features.columns},
        values_per_key=float(features.table.notna().to_numpy().sum() / keys),
    )


def _render_item(summary: DataSummary) -> Table:
    item = summary.item
    table = Table(title=f"{summary.name}: item party", show_header=False)
    table.add_row("users", f"{item.users:,}")
    table.add_row("items", f"{item.items:,}")
    table.add_row("events", f"{item.events:,}")
    table.add_row("density", f"{item.density:.3%}")
    for share, events in item.top_shares.items():
        table.add_row(f"events on the top {share} of items", f"{events:.1%}")
    table.add_row("event columns", ", ".join(item.event_columns))
    if item.item_features:
        table.add_row("item features", _columns(item.item_features))
    if item.user_features:
        table.add_row("own user features", _columns(item.user_features))
    if item.triples is not None:
        table.add_row("triples", f"{item.triples:,}")
    return table


def _render_partners(summary: DataSummary) -> Table:
    table = Table(title="partners")
    for heading in ("partner", "users", "shared with item party", "features", "values a user"):
        table.add_column(heading)
    table.add_column("missing")
    for partner in summary.partners:
        missing = partner.features.missing
        table.add_row(
            partner.name,
            f"{partner.users:,}",
            f"{partner.shared:,} ({partner.shared / max(summary.item.users, 1):.0%})",
            _columns(partner.features),
            f"{partner.features.values_per_key:.1f}",
            ", ".join(f"{name} {share:.0%}" for name, share in missing.items() if share) or "none",
        )
    return table


def _render_overlaps(summary: DataSummary) -> Table:
    table = Table(title="users that partners share", show_header=False)
    for overlap in summary.overlaps:
        table.add_row(" and ".join(overlap.partners), f"{overlap.shared:,}")
    table.add_row("everyone, the item party too", f"{summary.shared_by_all:,}")
    return table


def _columns(features: FeatureSummary) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in features.columns.items())
