"""Feature tables as matrices: labels become 0/1 columns, numbers stay numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import csr_array

from parties.tables.features import (
    FEATURE,
    SEPARATOR,
    VALUE,
    ColumnKind,
    FeatureFrame,
    FeatureLayout,
)
from parties.tables.values import text_series

MIN_COUNT = 2  # keys that must share a label before it becomes a column

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureColumns:
    """The columns of a feature matrix, kept so that later users get the same ones."""

    multi_hot: tuple[str, ...]
    dense: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureMatrix:
    """Features of n keys.

    Attributes:
        multi_hot: (n, f) float32 CSR; `column=value` is 1 where a key has the value; the feature
            of a long table carries its value.
        multi_hot_names: f names.
        dense: (n, m) float32, NaN where missing.
        dense_names: m names.
    """

    multi_hot: csr_array = field(repr=False)
    multi_hot_names: tuple[str, ...] = field(repr=False)
    dense: npt.NDArray[np.float32] = field(repr=False)
    dense_names: tuple[str, ...]

    @property
    def columns(self) -> FeatureColumns:
        """The columns, to make another matrix with."""
        return FeatureColumns(multi_hot=self.multi_hot_names, dense=self.dense_names)


@dataclass(frozen=True, slots=True)
class _Entries:
    """Non-zeros of the multi-hot part: row, name code and value of each."""

    rows: Rows
    codes: Rows
    values: npt.NDArray[np.float32]
    names: tuple[str, ...]


def to_features(
    frame: FeatureFrame,
    ids: Sequence[str],
    *,
    min_count: int = MIN_COUNT,
    columns: FeatureColumns | None = None,
) -> FeatureMatrix:
    """The features of `ids`, in that order; a key the table lacks is a row of zeros and NaN.

    Args:
        frame: a wide or long feature table.
        ids: the keys of the rows, distinct.
        min_count: how many of `ids` must share a label or long feature for it to be a column;
            at least 1. Not used with `columns`.
        columns: the columns of an earlier matrix, to make the same ones.

    Returns:
        A matrix of len(ids) rows; without `columns`, its labels are sorted within their column.
    """
    position = _index(ids).get_indexer(_index(frame.ids))
    rows = position.astype(np.int64)  # of each key of the frame in the matrix; -1 if not asked
    entries = _entries(frame, rows)
    names = columns.multi_hot if columns else _frequent(entries, min_count)
    dense_names = columns.dense if columns else _numeric(frame)
    return FeatureMatrix(
        multi_hot=_sparse(entries, names, len(ids)),
        multi_hot_names=names,
        dense=_dense(frame, rows, dense_names, len(ids)),
        dense_names=dense_names,
    )


def _entries(frame: FeatureFrame, rows: Rows) -> _Entries:
    if frame.layout is FeatureLayout.LONG:
        parts = [_long_entries(frame, rows)]
    else:
        parts = [
            _label_entries(frame, name, rows)
            for name, kind in frame.kinds.items()
            if kind is not ColumnKind.NUMERIC
        ]
    return _joined(parts)


def _long_entries(frame: FeatureFrame, rows: Rows) -> _Entries:
    codes, names = pd.factorize(frame.table[FEATURE], sort=True)
    return _asked(
        _Entries(
            rows[frame.table["row"].to_numpy()],
            codes.astype(np.int64),
            frame.table[VALUE].to_numpy(np.float32),
            tuple(names),
        )
    )


def _label_entries(frame: FeatureFrame, name: str, rows: Rows) -> _Entries:
    texts = pa.array(frame.table[name], pa.string(), from_pandas=True)
    kept = np.flatnonzero(~np.asarray(texts.is_null()))
    texts = texts.drop_null()
    if frame.kinds[name] is ColumnKind.MULTI:
        lists = pc.split_pattern(texts, SEPARATOR)
        kept = kept[np.asarray(pc.list_parent_indices(lists))]
        texts = pc.utf8_trim_whitespace(pc.list_flatten(lists))
    codes, names = pd.factorize(text_series(texts), sort=True)
    pairs = np.unique(np.stack([kept, codes], axis=1), axis=0).astype(np.int64)
    return _asked(
        _Entries(
            rows[pairs[:, 0]],
            pairs[:, 1],
            np.ones(len(pairs), np.float32),
            tuple(f"{name}={label}" for label in names),
        )
    )


def _index(names: Sequence[str]) -> "pd.Index[str]":
    return pd.Index(pd.array(list(names), dtype="str"))


def _asked(entries: _Entries) -> _Entries:
    """Only the entries of keys that were asked for."""
    kept = entries.rows >= 0
    return _Entries(entries.rows[kept], entries.codes[kept], entries.values[kept], entries.names)


def _joined(parts: Sequence[_Entries]) -> _Entries:
    starts = np.cumsum([0, *(len(part.names) for part in parts)])
    none = np.empty(0, np.int64)
    return _Entries(
        np.concatenate([none, *(part.rows for part in parts)]),
        np.concatenate(
            [none, *(part.codes + start for part, start in zip(parts, starts, strict=False))]
        ),
        np.concatenate([np.empty(0, np.float32), *(part.values for part in parts)]),
        tuple(name for part in parts for name in part.names),
    )


def _frequent(entries: _Entries, min_count: int) -> tuple[str, ...]:
    counts = np.bincount(entries.codes, minlength=len(entries.names))
    return tuple(
        name
        for name, count in zip(entries.names, counts, strict=True)
        if count >= max(min_count, 1)
    )


def _sparse(entries: _Entries, names: tuple[str, ...], row_count: int) -> csr_array:
    column = _index(names).get_indexer(_index(entries.names))
    columns = column[entries.codes]
    kept = columns >= 0
    matrix = csr_array(
        (entries.values[kept], (entries.rows[kept], columns[kept])),
        shape=(row_count, len(names)),
        dtype=np.float32,
    )
    matrix.sort_indices()
    return matrix


def _numeric(frame: FeatureFrame) -> tuple[str, ...]:
    return tuple(n for n, kind in frame.kinds.items() if kind is ColumnKind.NUMERIC)


def _dense(
    frame: FeatureFrame, rows: Rows, names: tuple[str, ...], row_count: int
) -> npt.NDArray[np.float32]:
    dense = np.full((row_count, len(names)), np.nan, np.float32)
    asked = rows >= 0
    for column, name in enumerate(names):
        if frame.kinds.get(name) is ColumnKind.NUMERIC:
            dense[rows[asked], column] = frame.table[name].to_numpy(np.float32)[asked]
    return dense
