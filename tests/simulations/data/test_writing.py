from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parties.tables import (
    ColumnKind,
    FeatureFrame,
    FederationTables,
    ItemTables,
    PartnerTable,
    check_events,
    check_triples,
    long_features,
    read_federation,
    wide_features,
)
from simulations.data import TableFormat, write_folder, writing
from simulations.errors import FolderExistsError


def make_tables() -> FederationTables:
    events = {
        "user_id": ["007", 'q"uote'],
        "item_id": ["a,b", "b"],
        "timestamp": [1714564800.25, 0],
        "weight": [0.1, 2],
        "played_seconds": [None, 30.5],
        "song_seconds": [200, 180],
        "liked": [True, False],
        "skipped": [False, True],
        "entry_point": ["home", None],
    }
    items = {"item_id": ["a,b", "b"], "genre": ["rock|pop", None], "tempo": [120.5, None]}
    users = {"user_id": ["007"], "year": [1990]}
    wide = {"user_id": ["007", "8"], "z\tip=": ["01234", None], "age": [None, 0.1]}
    long = {"user_id": ["8", "8"], "feature": ["x|y", "\xe9"], "value": [0.5, 2]}
    return FederationTables(
        name='made "here"\x7f\n',
        item=ItemTables(
            events=check_events(pd.DataFrame(events)),
            items=wide_features(pd.DataFrame(items), key="item_id"),
            users=wide_features(pd.DataFrame(users)),
            triples=check_triples(
                pd.DataFrame({"head": ["b"], "relation": ["by"], "tail": ["x"]})
            ),
        ),
        partners=(
            PartnerTable(
                name="bank",
                features=wide_features(
                    pd.DataFrame(wide), kinds={"z\tip=": ColumnKind.CATEGORICAL}
                ),
                sensitive=("age", "z\tip="),
            ),
            PartnerTable(name="social", features=long_features(pd.DataFrame(long))),
        ),
    )


def assert_same_features(one: FeatureFrame | None, other: FeatureFrame | None) -> None:
    if one is None or other is None:
        assert one is other
        return
    assert (one.key, one.layout, one.ids, one.kinds) == (
        other.key,
        other.layout,
        other.ids,
        other.kinds,
    )
    pd.testing.assert_frame_equal(one.table, other.table)


def assert_same(one: FederationTables, other: FederationTables) -> None:
    assert one.name == other.name
    pd.testing.assert_frame_equal(one.item.events, other.item.events)
    assert_same_features(one.item.items, other.item.items)
    assert_same_features(one.item.users, other.item.users)
    if one.item.triples is not None and other.item.triples is not None:
        pd.testing.assert_frame_equal(one.item.triples, other.item.triples)
    assert [(p.name, p.sensitive) for p in one.partners] == [
        (p.name, p.sensitive) for p in other.partners
    ]
    for mine, theirs in zip(one.partners, other.partners, strict=True):
        assert_same_features(mine.features, theirs.features)


@pytest.mark.parametrize("table_format", TableFormat)
def test_written_tables_read_back_the_same(tmp_path: Path, table_format: TableFormat) -> None:
    tables = make_tables()
    folder = tmp_path / "deep" / "set"
    write_folder(tables, folder, table_format=table_format)
    assert_same(read_federation(folder), tables)
    assert sorted(path.suffix for path in folder.iterdir()) == sorted(
        [".toml", *[f".{table_format}"] * 6]
    )


def fits(text: str) -> bool:
    """Whether a column of such texts is not refused as one of infinite numbers."""
    try:
        return abs(float(text)) < 3e38
    except ValueError:
        return True


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=5).filter(fits)
NUMBERS = st.none() | st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(
    rows=st.dictionaries(
        st.text("abc 01\xe9", min_size=1).filter(str.strip), st.tuples(TEXTS, NUMBERS), min_size=1
    ).filter(lambda rows: len({key.strip() for key in rows}) == len(rows)),
    table_format=st.sampled_from(TableFormat),
)
def test_any_partner_table_reads_back_the_same(
    rows: dict[str, tuple[str, float | None]],
    table_format: TableFormat,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    frame = pd.DataFrame(
        {
            "user_id": list(rows),
            "text": pd.array([text for text, _ in rows.values()], dtype="str"),
            "number": pd.array([number for _, number in rows.values()], dtype="float64"),
        }
    )
    tables = FederationTables(
        name="any",
        item=ItemTables(events=check_events(pd.DataFrame({"user_id": ["u"], "item_id": ["i"]}))),
        partners=(PartnerTable(name="p", features=wide_features(frame)),),
    )
    folder = tmp_path_factory.mktemp("any") / "set"
    write_folder(tables, folder, table_format=table_format)
    assert_same(read_federation(folder), tables)


def test_an_existing_folder_is_not_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "mine.txt").write_text("keep")
    with pytest.raises(FolderExistsError, match="already exists"):
        write_folder(make_tables(), folder)
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_interrupted_write_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(writing, "_write_partner", fail)
    with pytest.raises(type(failure)):
        write_folder(make_tables(), tmp_path / "set")
    assert list(tmp_path.iterdir()) == []


def test_others_may_read_a_written_folder(tmp_path: Path) -> None:
    write_folder(make_tables(), tmp_path / "set")
    assert (tmp_path / "set").stat().st_mode & 0o777 == 0o755
