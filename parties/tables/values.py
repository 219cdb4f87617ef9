"""Columns of text or numbers turned into identifiers, numbers, flags, times and labels.

A missing value is a null, an empty field, or one of `nan` and `null` in any case. Every function
takes the rows of one batch, where they came from, and the number of rows before it, so that an
error names the right line.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from parties.errors import DataError, ValueRefusedError
from parties.tables.source import Origin

MISSING = ("", "nan", "null")
TRUE = ("1", "true", "yes")
FALSE = ("0", "false", "no")
SHOWN_CHARS = 40  # of a refused value, in its error

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Some rows of one column, with what an error needs to name them."""

    values: pa.Array
    column: str
    origin: Origin
    first_row: int = 0

    def refuse(self, problem: str, where: Mask) -> None:
        """Raise ValueRefusedError at the first row where `where` holds, if there is one."""
        if where.any():
            raise self.refusal(problem, int(where.argmax()))

    def refusal(self, problem: str, row: int) -> DataError:
        """A ValueRefusedError at `row` of these cells; `{}` in `problem` is the value."""
        shown = str(self.values[row].as_py())[:SHOWN_CHARS]
        return self.origin.error(
            ValueRefusedError,
            problem.replace("{}", repr(shown)),
            column=self.column,
            row=self.first_row + row,
        )


def identifiers(cells: Cells) -> pa.Array:
    """Identifiers as text, trimmed and in Unicode NFC; a missing one is refused.

    Raises:
        ValueRefusedError: an identifier is missing, or the column holds fractions.
    """
    if pa.types.is_floating(cells.values.type):
        raise cells.origin.error(
            ValueRefusedError,
            "holds floating-point numbers; identifiers are text or whole numbers",
            column=cells.column,
        )
    texts = pc.utf8_normalize(labels(cells), form="NFC")
    cells.refuse("is missing; every row needs an identifier", _mask(texts.is_null()))
    return texts


def labels(cells: Cells) -> pa.Array:
    """Values as trimmed text, null where missing; a list becomes `a|b|c`."""
    texts = pc.utf8_trim_whitespace(_as_text(cells))
    missing = pc.is_in(pc.utf8_lower(texts), value_set=pa.array(MISSING, pa.string()))
    return pc.if_else(missing, pa.scalar(None, pa.string()), texts)


def numbers(cells: Cells) -> Floats:
    """Values as float64, NaN where missing.

    Raises:
        ValueRefusedError: a value is not a number, or is infinite.
    """
    parsed = parse_numbers(cells)
    bad = np.isnan(parsed) & ~_missing(cells)
    cells.refuse("{} is not a number; leave the field empty if it is missing", bad)
    cells.refuse("{} is infinite; leave the field empty if it is missing", np.isinf(parsed))
    return parsed


def amounts(cells: Cells) -> Floats:
    """Numbers of at least 0, NaN where missing; raises ValueRefusedError for a negative one."""
    parsed = numbers(cells)
    cells.refuse("{} is negative; it must be at least 0", parsed < 0)
    return parsed


def weights(cells: Cells) -> Floats:
    """Amounts, none of them missing; raises ValueRefusedError for a missing one."""
    parsed = amounts(cells)
    cells.refuse("is missing; every row needs a number of at least 0", np.isnan(parsed))
    return parsed


def times(cells: Cells) -> Floats:
    """Unix seconds from numbers, timestamps or ISO 8601 text (UTC unless it names a zone).

    Raises:
        ValueRefusedError: a value is missing or is none of these.
    """
    if pa.types.is_timestamp(cells.values.type):
        micros = pc.cast(pc.cast(cells.values, pa.timestamp("us"), safe=False), pa.int64())
        seconds = _floats(pc.divide(pc.cast(micros, pa.float64()), 1e6))
    else:
        seconds = parse_numbers(cells)
        if np.isnan(seconds).any() and pa.types.is_string(cells.values.type):
            seconds = np.where(np.isnan(seconds), _iso_seconds(cells), seconds)
    cells.refuse(
        "{} is not a time; write Unix seconds or ISO 8601, such as 2024-05-01T12:00:00Z",
        ~np.isfinite(seconds),
    )
    return seconds


def flags(cells: Cells) -> Mask:
    """Truth values from 1/0, true/false or yes/no in any case.

    Raises:
        ValueRefusedError: a value is missing or is none of these.
    """
    texts = pc.utf8_lower(pc.fill_null(labels(cells), ""))
    true = _mask(pc.is_in(texts, value_set=pa.array(TRUE)))
    false = _mask(pc.is_in(texts, value_set=pa.array(FALSE)))
    cells.refuse("{} is not a truth value; write 1 or 0", ~(true | false))
    return true


def parse_numbers(cells: Cells) -> Floats:
    """Values as float64, NaN where missing or not a number."""
    kind = cells.values.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _floats(pc.cast(cells.values, pa.float64(), safe=False))
    texts = labels(cells)
    try:
        return _floats(pc.cast(texts, pa.float64()))
    except pa.ArrowInvalid:  # some value is no number: parse the slow way, keeping the others
        parsed = pd.to_numeric(text_series(texts), errors="coerce")
        return np.asarray(parsed.to_numpy(np.float64, na_value=np.nan), np.float64)


def text_series(texts: pa.Array) -> "pd.Series[str]":
    """Text as a pandas series that shares its memory, nulls kept."""
    series: pd.Series[str] = pa.chunked_array([texts]).to_pandas()
    return series


def _iso_seconds(cells: Cells) -> Floats:
    moments = pd.to_datetime(
        text_series(labels(cells)), errors="coerce", utc=True, format="ISO8601"
    )
    seconds = (moments - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
    return np.asarray(seconds.to_numpy(np.float64, na_value=np.nan), np.float64)


def _as_text(cells: Cells) -> pa.Array:
    values = cells.values
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_list(values.type) or pa.types.is_large_list(values.type):
        return pc.binary_join(pc.cast(values, pa.list_(pa.string())), "|")
    if pa.types.is_floating(values.type):
        values = _without_fractions(values)
    try:
        return pc.cast(values, pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise cells.origin.error(
            ValueRefusedError,
            f"has the type {values.type}, which is neither text nor numbers",
            column=cells.column,
        ) from error


def _without_fractions(values: pa.Array) -> pa.Array:
    """Whole numbers stored as floats (as pandas does beside a gap) as integers again."""
    values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    try:
        return pc.cast(values, pa.int64())
    except pa.ArrowInvalid:
        return values


def _missing(cells: Cells) -> Mask:
    if pa.types.is_floating(cells.values.type):
        return _mask(cells.values.is_null(nan_is_null=True))
    return _mask(labels(cells).is_null())


def _mask(values: pa.Array) -> Mask:
    mask: Mask = np.asarray(pc.fill_null(values, False).to_numpy(zero_copy_only=False), np.bool_)
    return mask


def _floats(values: pa.Array) -> Floats:
    floats: Floats = np.asarray(values.to_numpy(zero_copy_only=False), np.float64)
    return floats
