"""Files as batches of columns, and the line behind every row.

A CSV is read as text, so that an identifier keeps its leading zeros; a Parquet file keeps its
types. Reading is fast and knows rows only. When a row is at fault, the file is walked once more
to name its line, which costs time on the way to an error and none otherwise.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from parties.errors import (
    DataError,
    EmptyTableError,
    EncodingError,
    LayoutError,
    MissingFileError,
)

BLOCK_BYTES = 8 << 20  # of a CSV, read and converted at a time
BATCH_ROWS = 1 << 17  # of a Parquet file


class Origin(Protocol):
    """Where a table came from: it turns a row number into an error that names the place."""

    def error(
        self,
        kind: type[DataError],
        problem: str,
        *,
        column: str | None = None,
        row: int | None = None,
    ) -> DataError:
        """An error of `kind` at 0-based data row `row`."""
        ...


class Source(Origin, Protocol):
    """A file of named columns."""

    @property
    def path(self) -> Path: ...

    @property
    def columns(self) -> tuple[str, ...]: ...

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The named columns, batch by batch, in file order; never none at all."""
        ...


@dataclass(frozen=True, slots=True)
class MemoryOrigin:
    """A table that was made in memory and has a name, but no file."""

    name: str

    def error(
        self,
        kind: type[DataError],
        problem: str,
        *,
        column: str | None = None,
        row: int | None = None,
    ) -> DataError:
        """An error that names the table and the 1-based row."""
        return kind(
            f"{problem} (table {self.name})", column=column, row=None if row is None else row + 1
        )


@dataclass(frozen=True, slots=True)
class CsvSource:
    """A comma-separated UTF-8 file with one header line."""

    path: Path
    columns: tuple[str, ...]

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The named columns as text; empty fields are empty strings, not nulls."""
        rows = 0
        try:
            for batch in self._reader(columns):
                rows += batch.num_rows
                yield batch
        except pa.ArrowInvalid as error:
            raise self._diagnosis(error) from error
        if rows == 0:
            raise self._no_rows()
        if rows + 1 != count_lines(self.path):  # blank lines, or something far worse
            self._refuse_line_breaks()

    def error(
        self,
        kind: type[DataError],
        problem: str,
        *,
        column: str | None = None,
        row: int | None = None,
    ) -> DataError:
        """An error that names the 1-based line, the header being line 1."""
        line = None if row is None else self._line(row)
        return kind(problem, file=self.path, column=column, line=line)

    def _reader(self, columns: Sequence[str]) -> Any:  # noqa: ANN401 - pyarrow has no stubs
        return pa_csv.open_csv(
            self.path,
            read_options=pa_csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False),
            parse_options=pa_csv.ParseOptions(newlines_in_values=True),
            convert_options=pa_csv.ConvertOptions(
                include_columns=list(columns),
                column_types=dict.fromkeys(columns, pa.string()),
                strings_can_be_null=False,
            ),
        )

    def _line(self, row: int) -> int:
        for number, record in enumerate(csv_records(self.path)):
            if number == row + 1:
                return record.first_line
        raise IndexError(row)

    def _refuse_line_breaks(self) -> None:
        """Refuse a record over several lines: mostly a lost quote, which swallows rows."""
        for record in csv_records(self.path):
            if record.last_line > record.first_line:
                raise LayoutError(
                    f"a value goes on until line {record.last_line}; close its quote, or take the "
                    "line breaks out of it",
                    file=self.path,
                    line=record.first_line,
                )

    def _diagnosis(self, error: pa.ArrowInvalid) -> DataError:
        require_utf8(self.path)
        rows = -1  # the header is not one
        for record in csv_records(self.path):
            rows += 1
            if len(record.fields) != len(self.columns):
                return LayoutError(
                    f"has {len(record.fields)} fields where the header has {len(self.columns)}; "
                    "quote a field that holds a comma",
                    file=self.path,
                    line=record.first_line,
                )
        if rows == 0:
            return self._no_rows()
        return LayoutError(f"is not a readable CSV file: {error}", file=self.path)

    def _no_rows(self) -> DataError:
        return EmptyTableError("has a header but no rows; add at least one", file=self.path)


@dataclass(frozen=True, slots=True)
class ParquetSource:
    """A Parquet file; its rows have numbers but no lines."""

    path: Path
    columns: tuple[str, ...]

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The named columns in the file's own types."""
        with pa_parquet.ParquetFile(self.path) as file:
            if file.metadata.num_rows == 0:
                raise EmptyTableError("has no rows; add at least one", file=self.path)
            try:
                yield from file.iter_batches(batch_size=BATCH_ROWS, columns=list(columns))
            except (OSError, pa.ArrowInvalid) as error:
                raise LayoutError(f"is a damaged Parquet file: {error}", file=self.path) from error

    def error(
        self,
        kind: type[DataError],
        problem: str,
        *,
        column: str | None = None,
        row: int | None = None,
    ) -> DataError:
        """An error that names the 1-based row."""
        return kind(problem, file=self.path, column=column, row=None if row is None else row + 1)


def open_source(path: Path) -> Source:
    """Open a `.csv` or `.parquet` file and read its column names.

    Raises:
        MissingFileError: there is no such file.
        EmptyTableError: the file has no bytes.
        EncodingError: the header of a CSV is not UTF-8.
        LayoutError: another suffix, a damaged file, or a repeated or empty column name.
    """
    if not path.is_file():
        raise MissingFileError("does not exist; check the name in federation.toml", file=path)
    if path.stat().st_size == 0:
        raise EmptyTableError("is empty; it needs a header and at least one row", file=path)
    match path.suffix.lower():
        case ".csv":
            columns = _csv_columns(path)
            source: Source = CsvSource(path, columns)
        case ".parquet":
            columns = _parquet_columns(path)
            source = ParquetSource(path, columns)
        case suffix:
            raise LayoutError(f"has the suffix {suffix!r}; tables are .csv or .parquet", file=path)
    _require_distinct(path, columns)
    return source


class CsvRecord(NamedTuple):
    """A record of a CSV and the 1-based lines it begins and ends on."""

    first_line: int
    last_line: int
    fields: list[str]


def csv_records(path: Path) -> Iterator[CsvRecord]:
    """Every record of a CSV; blank lines are skipped.

    Raises:
        LayoutError: a field is longer than the csv module accepts (128 KiB), which a missing
            closing quote brings about.
    """
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.reader(file)
        begins = 1
        try:
            for fields in reader:
                if fields:
                    yield CsvRecord(begins, reader.line_num, fields)
                begins = reader.line_num + 1
        except csv.Error as error:
            raise LayoutError(
                f"is not readable from here on ({error}); look for a missing closing quote",
                file=path,
                line=begins,
            ) from error


def count_lines(path: Path) -> int:
    """Lines of a file, counting a last one without a line end."""
    count, last = 0, b"\n"
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            count += block.count(b"\n")
            last = block[-1:]
    return count + (last != b"\n")


def require_utf8(path: Path) -> None:
    """Raise EncodingError with the first line that is not UTF-8, if there is one."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise EncodingError(
                    f"holds bytes that are not UTF-8 (0x{line[error.start]:02x} at byte "
                    f"{error.start + 1} of the line); save the file as UTF-8",
                    file=path,
                    line=number,
                ) from error


def _csv_columns(path: Path) -> tuple[str, ...]:
    record = next(csv_records(path), None)
    if record is None:
        raise EmptyTableError("has no header, only blank lines", file=path)
    if any("\N{REPLACEMENT CHARACTER}" in column for column in record.fields):
        require_utf8(path)
    return tuple(record.fields)


def _parquet_columns(path: Path) -> tuple[str, ...]:
    try:
        return tuple(str(name) for name in pa_parquet.read_schema(path).names)
    except (OSError, pa.ArrowInvalid) as error:
        raise LayoutError(f"is not a Parquet file: {error}", file=path) from error


def _require_distinct(path: Path, columns: tuple[str, ...]) -> None:
    seen: set[str] = set()
    for position, column in enumerate(columns, start=1):
        if not column.strip():
            raise LayoutError(f"column {position} has no name in the header", file=path)
        if column in seen:
            raise LayoutError("occurs twice in the header", file=path, column=column)
        seen.add(column)
