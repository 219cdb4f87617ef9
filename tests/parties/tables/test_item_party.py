from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest

from parties.errors import DataError, LayoutError, ValueRefusedError
from parties.tables import (
    ColumnKind,
    ItemPartyDescription,
    check_events,
    check_triples,
    read_item_party,
)
from parties.tables import source as source_module

FULL = """\
user_id,item_id,timestamp,weight,played_seconds,song_seconds,liked,skipped,entry_point,note
001,a,2024-05-01T12:00:00Z,2,30.5,180,1,0,home,x
002,b,1714564800,1,,200,0,1,,y
"""


def read_events(folder: Path, text: str) -> pd.DataFrame:
    path = folder / "events.csv"
    path.write_text(text, encoding="utf-8")
    return read_item_party(ItemPartyDescription(events=path)).events


def test_every_event_column_is_typed_and_others_are_left_out(tmp_path: Path) -> None:
    events = read_events(tmp_path, FULL)
    assert events["user_id"].tolist() == ["001", "002"]
    assert events["timestamp"].tolist() == [1714564800.0] * 2
    assert events["played_seconds"].isna().tolist() == [False, True]
    assert events["liked"].tolist() == [True, False]
    assert events["entry_point"].isna().tolist() == [False, True]
    assert {name: str(kind) for name, kind in events.dtypes.items()} == {
        "user_id": "str",
        "item_id": "str",
        "timestamp": "float64",
        "weight": "float64",
        "played_seconds": "float64",
        "song_seconds": "float64",
        "liked": "bool",
        "skipped": "bool",
        "entry_point": "str",
    }


def test_events_need_no_more_than_user_and_item(tmp_path: Path) -> None:
    events = read_events(tmp_path, "item_id,user_id\na,1\na,1\n")
    assert events.to_dict("list") == {"user_id": ["1", "1"], "item_id": ["a", "a"]}


def test_parquet_events_equal_csv_events(tmp_path: Path) -> None:
    events = read_events(tmp_path, FULL)
    path = tmp_path / "events.parquet"
    events.to_parquet(path)
    again = read_item_party(ItemPartyDescription(events=path)).events
    pd.testing.assert_frame_equal(again, events)


def test_rows_are_counted_over_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "BLOCK_BYTES", 64)
    rows = "".join(f"user{n},item{n},{n}\n" for n in range(100))
    events = read_events(tmp_path, f"user_id,item_id,weight\n{rows}")
    assert events["weight"].tolist() == [*range(100)]
    with pytest.raises(ValueRefusedError) as caught:
        read_events(tmp_path, f"user_id,item_id,weight\n{rows}user,item,-1\n")
    assert caught.value.line == 102


def test_rows_of_parquet_are_counted_over_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "BATCH_ROWS", 10)
    path = tmp_path / "events.parquet"
    table = pa.table({"user_id": ["u"] * 35, "item_id": ["i"] * 35, "weight": [1.0] * 34 + [-1.0]})
    pa_parquet.write_table(table, path)
    with pytest.raises(ValueRefusedError) as caught:
        read_item_party(ItemPartyDescription(events=path))
    assert (caught.value.row, caught.value.line) == (35, None)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("user_id", "", "is missing"),
        ("user_id", "NaN", "is missing"),
        ("item_id", " ", "is missing"),
        ("timestamp", "soon", "'soon' is not a time"),
        ("weight", "-1", "'-1' is negative"),
        ("weight", "", "is missing"),
        ("weight", "inf", "'inf' is infinite"),
        ("played_seconds", "-3", "'-3' is negative"),
        ("song_seconds", "3:05", "'3:05' is not a number"),
        ("liked", "maybe", "'maybe' is not a truth value"),
    ],
)
def test_a_bad_value_names_file_column_and_line(
    tmp_path: Path, column: str, value: str, said: str
) -> None:
    names = ["user_id", "item_id", *({column} - {"user_id", "item_id"})]
    good = {"user_id": "u", "item_id": "i", "timestamp": "1", "weight": "1", "liked": "1"}
    rows = [[good.get(name, "1") for name in names] for _ in range(3)]
    rows[1][names.index(column)] = value
    text = "\n".join(",".join(row) for row in [names, *rows])
    with pytest.raises(ValueRefusedError, match=said) as caught:
        read_events(tmp_path, text)
    assert caught.value.file == tmp_path / "events.csv"
    assert (caught.value.column, caught.value.line) == (column, 3)


def test_events_without_an_item_column_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="column 'item_id': is missing"):
        read_events(tmp_path, "user_id,item\n1,a\n")


@pytest.mark.parametrize("column", ["timestmp", "Weight", "played_secs"])
def test_a_misspelt_event_column_is_refused(tmp_path: Path, column: str) -> None:
    with pytest.raises(LayoutError, match=f"column '{column}': is not an event column"):
        read_events(tmp_path, f"user_id,item_id,{column}\n1,a,1\n")


def read_parts(folder: Path, **texts: str) -> ItemPartyDescription:
    for name, text in {"events": "user_id,item_id\n1,a\n", **texts}.items():
        (folder / f"{name}.csv").write_text(text)
    return ItemPartyDescription(
        events=folder / "events.csv",
        items=folder / "items.csv" if "items" in texts else None,
        users=folder / "users.csv" if "users" in texts else None,
        triples=folder / "triples.csv" if "triples" in texts else None,
    )


def test_items_users_and_triples_are_read(tmp_path: Path) -> None:
    tables = read_item_party(
        read_parts(
            tmp_path,
            items="item_id,genre\na,rock\n",
            users="user_id,age\n1,30\n2,40\n",
            triples="head,relation,tail\na,by,x\n",
        )
    )
    assert tables.items is not None
    assert tables.items.kinds == {"genre": ColumnKind.CATEGORICAL}
    assert tables.users is not None
    assert tables.users.ids == ("1", "2")
    assert tables.triples is not None
    assert tables.triples.to_dict("list") == {"head": ["a"], "relation": ["by"], "tail": ["x"]}


@pytest.mark.parametrize(
    ("part", "text", "said"),
    [
        ("items", "item_id,g\na,1\na,2\n", "line 3: repeats an earlier row"),
        ("items", "item,g\na,1\n", "column 'item_id': is missing"),
        ("items", "item_id,g\n,1\n", "line 2: is missing"),
        ("users", "user_id,g\n1,1\n2,inf\n", "line 3: 'inf' is infinite"),
        ("users", "user_id,g\n1,1\n1,1\n", "line 3: repeats"),
        ("triples", "head,relation\na,b\n", "column 'tail': is missing"),
        ("triples", "head,relation,tail\na,by,\n", "column 'tail', line 2: is missing"),
    ],
)
def test_bad_side_tables_are_refused(tmp_path: Path, part: str, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        read_item_party(read_parts(tmp_path, **{part: text}))
    assert caught.value.file == tmp_path / f"{part}.csv"


def test_events_made_in_memory_are_typed_as_a_files() -> None:
    events = check_events(
        pd.DataFrame({"user_id": [1, 2], "item_id": ["a", "b"], "weight": [1, 2]})
    )
    assert events["user_id"].tolist() == ["1", "2"]
    assert events["weight"].dtype == "float64"


def test_bad_events_made_in_memory_are_refused() -> None:
    with pytest.raises(ValueRefusedError, match="column 'weight', row 2: '-1' is negative"):
        check_events(pd.DataFrame({"user_id": [1, 2], "item_id": [1, 2], "weight": [1, -1]}))
    with pytest.raises(LayoutError, match="column 'item_id': is missing"):
        check_events(pd.DataFrame({"user_id": [1]}))
    with pytest.raises(ValueRefusedError, match="mixes types"):
        check_events(pd.DataFrame({"user_id": [1, "a"], "item_id": [1, 2]}))


def test_triples_made_in_memory_are_checked() -> None:
    triples = pd.DataFrame({"head": ["a"], "relation": ["by"], "tail": ["x"]})
    pd.testing.assert_frame_equal(check_triples(triples), triples)
    with pytest.raises(ValueRefusedError, match="column 'tail', row 1"):
        check_triples(triples.assign(tail=[""]))


def test_printed_tables_show_no_event(tmp_path: Path) -> None:
    tables = read_item_party(read_parts(tmp_path, events="user_id,item_id\nsecret,a\n"))
    assert "secret" not in repr(tables)
