"""The item party's tables: listening events, songs, its own users, knowledge triples."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import pandas as pd
import pyarrow as pa

from parties.errors import LayoutError
from parties.tables.description import ItemPartyDescription
from parties.tables.features import (
    ITEM_ID,
    USER_ID,
    ColumnKind,
    FeatureFrame,
    arrow_table,
    cells_of,
    require_columns,
    wide_features,
)
from parties.tables.source import MemoryOrigin, Source, open_source
from parties.tables.values import Cells, amounts, flags, identifiers, labels, times, weights

TRIPLE_COLUMNS = ("head", "relation", "tail")

Converter = Callable[[Cells], object]

REQUIRED_EVENT_COLUMNS: Mapping[str, Converter] = MappingProxyType(
    {USER_ID: identifiers, ITEM_ID: identifiers}
)
OPTIONAL_EVENT_COLUMNS: Mapping[str, Converter] = MappingProxyType(
    {
        "timestamp": times,  # Unix seconds, float64
        "weight": weights,  # at least 0, float64
        "played_seconds": amounts,  # at least 0 or NaN, float64
        "song_seconds": amounts,
        "liked": flags,  # bool
        "skipped": flags,
        "entry_point": labels,  # text or null
    }
)
EVENT_COLUMNS: Mapping[str, Converter] = MappingProxyType(
    {**REQUIRED_EVENT_COLUMNS, **OPTIONAL_EVENT_COLUMNS}
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ItemTables:
    """What the item party holds.

    Attributes:
        events: one row a play: user_id and item_id (text), and any of the optional columns
            timestamp (Unix seconds), weight, played_seconds, song_seconds (float64), liked,
            skipped (bool), entry_point (text).
        items: features of items; an item may have events and no row here, and the reverse.
        users: the item party's own features of users.
        triples: head, relation, tail (text); a head or tail that is an item_id is that song.
    """

    events: pd.DataFrame = field(repr=False)
    items: FeatureFrame | None = None
    users: FeatureFrame | None = None
    triples: pd.DataFrame | None = field(default=None, repr=False)


def read_item_party(description: ItemPartyDescription) -> ItemTables:
    """Read and check the item party's files.

    Raises:
        DataError: a file is missing, empty, malformed or holds a value it may not hold; the
            message names file, column and line.
    """
    return ItemTables(
        events=read_events(open_source(description.events)),
        items=(
            _read_wide(open_source(description.items), ITEM_ID, description.item_columns)
            if description.items
            else None
        ),
        users=(
            _read_wide(open_source(description.users), USER_ID, description.user_columns)
            if description.users
            else None
        ),
        triples=read_triples(open_source(description.triples)) if description.triples else None,
    )


def read_events(source: Source) -> pd.DataFrame:
    """Read events batch by batch; columns that are not event columns are left unread."""
    require_columns(source, list(source.columns), tuple(REQUIRED_EVENT_COLUMNS))
    _refuse_misspelt(source)
    columns = [name for name in EVENT_COLUMNS if name in source.columns]
    return _read_columns(source, {name: EVENT_COLUMNS[name] for name in columns})


def read_triples(source: Source) -> pd.DataFrame:
    """Read knowledge triples; none of the three may be missing."""
    require_columns(source, list(source.columns), TRIPLE_COLUMNS)
    return _read_columns(source, dict.fromkeys(TRIPLE_COLUMNS, identifiers))


def check_events(table: pd.DataFrame) -> pd.DataFrame:
    """Check events made in memory, and give their columns the types of a file's.

    Raises:
        DataError: as `read_item_party`, naming the row.
    """
    origin = MemoryOrigin("events")
    return _check_memory(table, EVENT_COLUMNS, tuple(REQUIRED_EVENT_COLUMNS), origin=origin)


def check_triples(table: pd.DataFrame) -> pd.DataFrame:
    """Check triples made in memory; raises DataError naming the row."""
    converters = dict.fromkeys(TRIPLE_COLUMNS, identifiers)
    return _check_memory(table, converters, TRIPLE_COLUMNS, origin=MemoryOrigin("triples"))


def _check_memory(
    table: pd.DataFrame,
    converters: Mapping[str, Converter],
    required: tuple[str, ...],
    *,
    origin: MemoryOrigin,
) -> pd.DataFrame:
    columns = arrow_table(table)
    require_columns(origin, columns.column_names, required)
    return pd.DataFrame(
        {
            name: _joined([convert(cells_of(columns, name, origin))])
            for name, convert in converters.items()
            if name in columns.column_names
        }
    )


def _read_columns(source: Source, converters: Mapping[str, Converter]) -> pd.DataFrame:
    parts: dict[str, list[object]] = {name: [] for name in converters}
    first_row = 0
    for batch in source.batches(list(converters)):
        for name, convert in converters.items():
            cells = Cells(
                values=batch.column(name), column=name, origin=source, first_row=first_row
            )
            parts[name].append(convert(cells))
        first_row += batch.num_rows
    return pd.DataFrame({name: _joined(parts.pop(name)) for name in converters})


def _joined(parts: Sequence[object]) -> object:
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    return np.concatenate(arrays) if arrays else pa.chunked_array(parts).to_pandas()


def _read_wide(source: Source, key: str, kinds: Mapping[str, ColumnKind]) -> FeatureFrame:
    require_columns(source, list(source.columns), (key,))
    table = pa.Table.from_batches(source.batches(source.columns))
    return wide_features(table, key=key, kinds=kinds, origin=source)


def _refuse_misspelt(source: Source) -> None:
    """Refuse `timestmp` and its like: left unread, it would silently change the result."""
    absent = [name for name in OPTIONAL_EVENT_COLUMNS if name not in source.columns]
    for column in source.columns:
        if column in EVENT_COLUMNS:
            continue
        near = difflib.get_close_matches(column.lower(), absent, n=1, cutoff=0.8)
        if near:
            raise source.error(
                LayoutError,
                f"is not an event column, but close to {near[0]!r}; rename or remove it",
                column=column,
            )
