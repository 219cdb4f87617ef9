"""Features of users or items: one row a key (wide), or one row a key and feature (long)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from parties.errors import DuplicateKeyError, LayoutError, ValueRefusedError
from parties.tables.source import MemoryOrigin, Origin
from parties.tables.values import (
    Cells,
    identifiers,
    labels,
    numbers,
    parse_numbers,
    text_series,
)

USER_ID = "user_id"
ITEM_ID = "item_id"
FEATURE = "feature"
VALUE = "value"
SEPARATOR = "|"  # between the values of a multi-valued cell
LONG_COLUMNS = ({USER_ID, FEATURE}, {USER_ID, FEATURE, VALUE})
CODE_PATTERN = r"^[+-]?0[0-9]"  # a leading zero: a code such as 01234, not an amount


class ColumnKind(StrEnum):
    """What the values of a feature column are."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    MULTI = "multi"


class FeatureLayout(StrEnum):
    """How a feature table is laid out."""

    WIDE = "wide"
    LONG = "long"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureFrame:
    """Checked features of users or items.

    Make one with `wide_features` or `long_features`, which check.

    Attributes:
        key: the name of the key column, `user_id` or `item_id`.
        layout: wide or long.
        ids: the keys, sorted and distinct.
        table: wide: one row for each of `ids`, in that order, without the key; numeric columns
            are float32 with NaN for missing, others text with null for missing. Long: the
            columns row (int64 position in `ids`), feature (text) and value (float32), sorted.
        kinds: the kind of every column of a wide table; empty for a long one.
    """

    key: str
    layout: FeatureLayout
    ids: tuple[str, ...] = field(repr=False)
    table: pd.DataFrame = field(repr=False)
    kinds: Mapping[str, ColumnKind]

    @property
    def columns(self) -> tuple[str, ...]:
        """The feature columns of a wide table; none for a long one."""
        return tuple(self.kinds)


def wide_features(
    table: pd.DataFrame | pa.Table,
    *,
    key: str = USER_ID,
    kinds: Mapping[str, ColumnKind] | None = None,
    origin: Origin | None = None,
) -> FeatureFrame:
    """Check a table with one row a key and one column a feature.

    Args:
        table: the key column and the feature columns; text is read as numbers, labels or
            `a|b|c` lists as its values suggest, unless `kinds` says which.
        key: the name of the key column.
        kinds: declared kinds; columns it does not name are inferred.
        origin: where the table came from, for errors.

    Raises:
        LayoutError: the key or a declared column is not there.
        DuplicateKeyError: two rows have one key.
        ValueRefusedError: a missing key, a non-number in a numeric column, an infinite number.
    """
    columns = arrow_table(table)
    origin = origin or MemoryOrigin(key)
    require_columns(origin, columns.column_names, (key, *(kinds or {})))
    keys = identifiers(cells_of(columns, key, origin))
    _refuse_duplicates(pd.DataFrame({key: text_series(keys)}), origin)
    features: dict[str, object] = {}
    found: dict[str, ColumnKind] = {}
    for name in columns.column_names:
        if name == key:
            continue
        cells = cells_of(columns, name, origin)
        found[name] = (kinds or {}).get(name) or infer_kind(cells)
        features[name] = _column(cells, found[name])
    frame = pd.DataFrame(features, index=pd.Index(text_series(keys))).sort_index()
    return FeatureFrame(
        key=key,
        layout=FeatureLayout.WIDE,
        ids=tuple(frame.index),
        table=frame.reset_index(drop=True),
        kinds=found,
    )


def long_features(
    table: pd.DataFrame | pa.Table, *, key: str = USER_ID, origin: Origin | None = None
) -> FeatureFrame:
    """Check a table with one row a key and feature, and an optional `value` (1 without it).

    Raises:
        LayoutError: the key or the feature column is not there.
        DuplicateKeyError: two rows have one key and feature.
        ValueRefusedError: a missing key or feature, or a value that is not a finite number.
    """
    columns = arrow_table(table)
    origin = origin or MemoryOrigin(key)
    require_columns(origin, columns.column_names, (key, FEATURE))
    keys = identifiers(cells_of(columns, key, origin))
    names = identifiers(cells_of(columns, FEATURE, origin))
    codes, ids = pd.factorize(text_series(keys), sort=True)
    frame = pd.DataFrame(
        {
            "row": codes.astype(np.int64),
            FEATURE: text_series(names),
            VALUE: _values(columns, origin),
        }
    )
    _refuse_duplicates(frame[["row", FEATURE]], origin)
    return FeatureFrame(
        key=key,
        layout=FeatureLayout.LONG,
        ids=tuple(ids),
        table=frame.sort_values(["row", FEATURE], ignore_index=True),
        kinds={},
    )


def infer_kind(cells: Cells) -> ColumnKind:
    """Numeric if every value is a number and none has a leading zero; `|` means multi-valued."""
    kind = cells.values.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return ColumnKind.NUMERIC
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return ColumnKind.MULTI
    texts = labels(cells).drop_null()
    if len(texts) == 0 or pa.types.is_boolean(kind):
        return ColumnKind.CATEGORICAL
    if pc.any(pc.match_substring(texts, SEPARATOR)).as_py():
        return ColumnKind.MULTI
    if pc.any(pc.match_substring_regex(texts, CODE_PATTERN)).as_py():
        return ColumnKind.CATEGORICAL
    parsed = parse_numbers(Cells(values=texts, column=cells.column, origin=cells.origin))
    return ColumnKind.CATEGORICAL if np.isnan(parsed).any() else ColumnKind.NUMERIC


def require_columns(origin: Origin, present: list[str], needed: tuple[str, ...]) -> None:
    """Raise LayoutError for the first of `needed` that is not among `present`."""
    for name in needed:
        if name not in present:
            raise origin.error(
                LayoutError,
                f"is missing; the table has {', '.join(map(repr, present))}",
                column=name,
            )


def _column(cells: Cells, kind: ColumnKind) -> object:
    if kind is not ColumnKind.NUMERIC:
        return text_series(labels(cells)).array
    return _float32(cells)


def _float32(cells: Cells) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    exact = numbers(cells)
    with np.errstate(over="ignore"):
        single = exact.astype(np.float32)
    cells.refuse("{} is beyond the range of 32-bit floats; rescale it", np.isinf(single))
    return single


def _values(columns: pa.Table, origin: Origin) -> object:
    if VALUE not in columns.column_names:
        return np.ones(columns.num_rows, np.float32)
    cells = cells_of(columns, VALUE, origin)
    values = _float32(cells)
    cells.refuse("is missing; leave the row out, or write its number", np.isnan(values))
    return values


def _refuse_duplicates(keys: pd.DataFrame, origin: Origin) -> None:
    repeated = keys.duplicated().to_numpy()
    if not repeated.any():
        return
    raise origin.error(
        DuplicateKeyError,
        f"repeats an earlier row; {int(repeated.sum())} rows do, keep one of each",
        column=USER_ID if "row" in keys.columns else str(keys.columns[0]),
        row=int(repeated.argmax()),
    )


def cells_of(columns: pa.Table, name: str, origin: Origin) -> Cells:
    """All rows of one column."""
    return Cells(values=columns[name].combine_chunks(), column=name, origin=origin)


def arrow_table(table: pd.DataFrame | pa.Table) -> pa.Table:
    """The table in Arrow's form; raises ValueRefusedError if a column mixes types."""
    if isinstance(table, pa.Table):
        return table
    try:
        return pa.Table.from_pandas(table, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ValueRefusedError(f"a column mixes types: {error}") from error
