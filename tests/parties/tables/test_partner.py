from pathlib import Path

import pandas as pd
import pytest

from parties.errors import DataError, DescriptionError
from parties.tables import (
    ColumnKind,
    FeatureLayout,
    PartnerDescription,
    PartnerTable,
    long_features,
    read_partner,
    wide_features,
)

WIDE = "user_id,age,plan\n002,34,gold\n001,,basic\n"
LONG = "user_id,feature,value\n002,x,2\n001,y,1\n"


def read(folder: Path, text: str | bytes, **settings: object) -> PartnerTable:
    path = folder / "bank.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    description = PartnerDescription(name="bank", users=path, **settings)  # type: ignore[arg-type]
    return read_partner(description)


def test_a_partner_reads_its_own_wide_table_alone(tmp_path: Path) -> None:
    partner = read(tmp_path, WIDE, sensitive=("age",))
    assert partner.name == "bank"
    assert partner.user_ids == ("001", "002")
    assert partner.features.layout is FeatureLayout.WIDE
    assert partner.sensitive == ("age",)


@pytest.mark.parametrize("text", [LONG, "feature,user_id\nx,1\n"])
def test_a_table_of_user_and_feature_is_long(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text).features.layout is FeatureLayout.LONG


def test_a_parquet_table_is_read_like_a_csv(tmp_path: Path) -> None:
    path = tmp_path / "bank.parquet"
    pd.DataFrame({"user_id": ["2", "1"], "age": [34.0, None]}).to_parquet(path)
    partner = read_partner(PartnerDescription(name="bank", users=path))
    assert partner.user_ids == ("1", "2")
    assert partner.features.kinds == {"age": ColumnKind.NUMERIC}


def test_declared_kinds_reach_the_table(tmp_path: Path) -> None:
    partner = read(tmp_path, WIDE, columns={"age": ColumnKind.CATEGORICAL})
    assert partner.features.kinds["age"] is ColumnKind.CATEGORICAL


def test_features_of_a_long_table_can_be_sensitive(tmp_path: Path) -> None:
    assert read(tmp_path, LONG, sensitive=("x",)).sensitive == ("x",)


@pytest.mark.parametrize("text", [WIDE, LONG])
def test_a_sensitive_name_that_is_no_feature_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DescriptionError, match="sensitive names 'income'"):
        read(tmp_path, text, sensitive=("income",))


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("user,age\n1,2\n", None, "column 'user_id': is missing"),
        ("user_id\n1\n", None, "no feature column"),
        ("user_id,age\n1,2\n\n1,3\n", 4, "repeats an earlier row; 1 rows do"),
        ("user_id,feature\n1,x\n1,x\n", 3, "repeats an earlier row"),
        ("user_id,age\n1,2\nnan,3\n", 3, "column 'user_id', line 3: is missing"),
        ("user_id,age\n1,2\n2,inf\n", 3, "column 'age', line 3: 'inf' is infinite"),
        ("user_id,age\n1,2\n2\n", 3, "has 1 fields where the header has 2"),
        (b"user_id,age\n1,\xfc\n", 2, "not UTF-8"),
        ("user_id,age\n", None, "header but no rows"),
        ("", None, "is empty"),
    ],
)
def test_a_bad_table_names_file_and_line(
    tmp_path: Path, text: str | bytes, line: int | None, said: str
) -> None:
    with pytest.raises(DataError, match=said) as caught:
        read(tmp_path, text)
    assert caught.value.file == tmp_path / "bank.csv"
    assert caught.value.line == line


def test_text_in_a_declared_numeric_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="column 'plan', line 2: 'gold' is not a number"):
        read(tmp_path, WIDE, columns={"plan": ColumnKind.NUMERIC})


def test_a_declared_column_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="column 'income': is missing"):
        read(tmp_path, WIDE, columns={"income": ColumnKind.NUMERIC})


def test_kinds_of_a_long_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="have no kinds"):
        read(tmp_path, LONG, columns={"value": ColumnKind.NUMERIC})


def test_a_partner_made_in_memory_needs_a_valid_name() -> None:
    features = wide_features(pd.DataFrame({"user_id": ["a"], "x": [1]}))
    with pytest.raises(DescriptionError, match="'item' is reserved"):
        PartnerTable(name="item", features=features)


def test_a_printed_partner_shows_no_user() -> None:
    features = long_features(pd.DataFrame({"user_id": ["secret"], "feature": ["hidden"]}))
    shown = repr(PartnerTable(name="bank", features=features))
    assert "secret" not in shown
    assert "hidden" not in shown
