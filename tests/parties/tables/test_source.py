import pickle
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest

from parties.errors import (
    DataError,
    EmptyTableError,
    EncodingError,
    LayoutError,
    MissingFileError,
    ValueRefusedError,
)
from parties.tables.source import CsvSource, MemoryOrigin, open_source


def csv_file(folder: Path, content: str | bytes) -> Path:
    path = folder / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read_all(path: Path) -> dict[str, list[object]]:
    source = open_source(path)
    table = pa.Table.from_batches(source.batches(source.columns))
    return {name: table[name].to_pylist() for name in table.column_names}


def test_a_csv_is_read_as_text_with_its_leading_zeros(tmp_path: Path) -> None:
    path = csv_file(tmp_path, 'user_id,n\n007,1.50\n"a,b",\n')
    assert read_all(path) == {"user_id": ["007", "a,b"], "n": ["1.50", ""]}


def test_a_byte_order_mark_and_carriage_returns_are_not_data(tmp_path: Path) -> None:
    path = csv_file(tmp_path, b"\xef\xbb\xbfuser_id,n\r\n1,2\r\n")
    assert read_all(path) == {"user_id": ["1"], "n": ["2"]}


def test_a_last_line_needs_no_line_end(tmp_path: Path) -> None:
    assert read_all(csv_file(tmp_path, "a,b\n1,2")) == {"a": ["1"], "b": ["2"]}


def test_a_parquet_file_keeps_its_types(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pd.DataFrame({"user_id": ["007"], "n": [1.5]}).to_parquet(path)
    assert read_all(path) == {"user_id": ["007"], "n": [1.5]}


def test_only_the_asked_columns_are_read(tmp_path: Path) -> None:
    source = open_source(csv_file(tmp_path, "a,b,c\n1,2,3\n"))
    assert [batch.schema.names for batch in source.batches(["c", "a"])] == [["c", "a"]]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("a,b\n1,2\n3,4\n", 3),
        ("a,b\n1,2\n\n\n3,4\n", 5),  # blank lines hold no row
        ("a,b\r\n1,2\r\n3,4\r\n", 3),
    ],
)
def test_the_line_of_a_row_is_where_it_begins(tmp_path: Path, content: str, line: int) -> None:
    path = csv_file(tmp_path, content)
    assert read_all(path)["a"] == ["1", "3"]
    error = open_source(path).error(ValueRefusedError, "is odd", column="b", row=1)
    assert (error.line, error.row, error.column) == (line, None, "b")


def test_a_row_beyond_the_end_has_no_line(tmp_path: Path) -> None:
    with pytest.raises(IndexError):
        open_source(csv_file(tmp_path, "a\n1\n")).error(ValueRefusedError, "is odd", row=1)


def test_an_error_in_a_parquet_file_names_the_row(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pd.DataFrame({"a": [1, 2]}).to_parquet(path)
    error = open_source(path).error(ValueRefusedError, "is odd", column="a", row=1)
    assert str(error) == f"{path}, column 'a', row 2: is odd"
    assert open_source(path).error(ValueRefusedError, "is odd").row is None


def test_an_error_in_a_table_in_memory_names_the_table() -> None:
    error = MemoryOrigin("plays").error(ValueRefusedError, "is odd", column="a", row=0)
    assert str(error) == "column 'a', row 1: is odd (table plays)"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"none\.csv: does not exist"):
        open_source(tmp_path / "none.csv")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_an_empty_file_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"table.{suffix}"
    path.touch()
    with pytest.raises(EmptyTableError, match="is empty"):
        open_source(path)


def test_a_file_of_blank_lines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmptyTableError, match="no header"):
        open_source(csv_file(tmp_path, "\n\n"))


def test_a_csv_of_a_header_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmptyTableError, match="header but no rows"):
        read_all(csv_file(tmp_path, "user_id,a\n"))


def test_a_header_without_a_line_end_is_refused_as_having_no_rows(tmp_path: Path) -> None:
    with pytest.raises(EmptyTableError, match="header but no rows"):
        read_all(csv_file(tmp_path, "user_id,a"))


def test_a_parquet_file_without_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pd.DataFrame({"a": []}).to_parquet(path)
    with pytest.raises(EmptyTableError, match="no rows"):
        read_all(path)


@pytest.mark.parametrize("row", ["3", "3,4,5"])
def test_a_ragged_row_is_refused_with_its_line(tmp_path: Path, row: str) -> None:
    with pytest.raises(LayoutError, match="fields where the header has 2") as caught:
        read_all(csv_file(tmp_path, f"a,b\n1,2\n\n{row}\n"))
    assert caught.value.line == 4


def test_bytes_that_are_not_utf_8_are_refused_with_their_line(tmp_path: Path) -> None:
    with pytest.raises(EncodingError, match="0xe9 at byte 3") as caught:
        read_all(csv_file(tmp_path, b"a,b\n1,2\n3,\xe9\n"))
    assert caught.value.line == 3


def test_a_header_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EncodingError) as caught:
        open_source(csv_file(tmp_path, b"a,\xff\n1,2\n"))
    assert caught.value.line == 1


def test_a_repeated_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="column 'a': occurs twice"):
        open_source(csv_file(tmp_path, "a,b,a\n1,2,3\n"))


def test_a_column_without_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="column 2 has no name"):
        open_source(csv_file(tmp_path, "a, ,b\n1,2,3\n"))


def test_an_unknown_file_type_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.xlsx"
    path.write_text("x")
    with pytest.raises(LayoutError, match=r"'\.xlsx'"):
        open_source(path)


def test_a_damaged_parquet_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    path.write_bytes(b"PAR1 not really PAR1")
    with pytest.raises(LayoutError, match="is not a Parquet file"):
        open_source(path)


def test_a_parquet_file_with_damaged_pages_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    table = pa.table({"a": [str(n) for n in range(10_000)]})
    pa_parquet.write_table(table, path, compression="zstd", use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[4:2000] = bytes(1996)
    path.write_bytes(bytes(content))
    with pytest.raises(LayoutError, match="damaged Parquet"):
        read_all(path)


def test_a_csv_arrow_cannot_read_for_another_reason_is_refused(tmp_path: Path) -> None:
    source = CsvSource(csv_file(tmp_path, "a,b\n1,2\n"), ("a", "b"))
    assert "is not a readable CSV" in str(source._diagnosis(pa.ArrowInvalid("no reason")))


def test_a_data_error_without_a_place_is_its_problem() -> None:
    assert str(DataError("is odd")) == "is odd"


@pytest.mark.parametrize("columns", [["a", "b"], ["a"]])
@pytest.mark.parametrize("rows", [2, 100_000])
def test_a_quote_that_is_never_closed_swallows_no_rows(
    tmp_path: Path, rows: int, columns: list[str]
) -> None:
    source = open_source(csv_file(tmp_path, 'a,b\n1,2\n1,"2\n' + "1,2\n" * rows))
    with pytest.raises(LayoutError, match="quote") as caught:
        list(source.batches(columns))
    assert caught.value.line == 3


def test_a_line_break_in_a_value_is_refused(tmp_path: Path) -> None:
    path = csv_file(tmp_path, 'a,b\n1,2\n1,"2\n2"\n')
    with pytest.raises(LayoutError, match="goes on until line 4") as caught:
        read_all(path)
    assert caught.value.line == 3


def test_an_endless_header_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="line 1: is not readable"):
        open_source(csv_file(tmp_path, "a" * 200_000))


def test_a_data_error_survives_the_way_from_another_process() -> None:
    error = ValueRefusedError("is odd", file=Path("a.csv"), column="b", line=3)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - made on the line above
    assert type(again) is ValueRefusedError
    assert (str(again), again.file, again.line) == (str(error), Path("a.csv"), 3)
