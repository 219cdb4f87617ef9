import math

import pandas as pd
import pytest

from parties.errors import DuplicateKeyError, LayoutError, ValueRefusedError
from parties.tables import ColumnKind, FeatureLayout, long_features, wide_features

WIDE = pd.DataFrame(
    {
        "user_id": ["b", "a", "c"],
        "age": ["34", "", "20.5"],
        "zip": ["01234", "98765", "null"],
        "plan": ["gold", "basic", ""],
        "hobby": ["chess|golf", "chess", ""],
        "empty": ["", "", ""],
    }
)


def test_rows_of_a_wide_table_are_sorted_by_key() -> None:
    frame = wide_features(WIDE)
    assert frame.layout is FeatureLayout.WIDE
    assert frame.ids == ("a", "b", "c")
    assert frame.table["plan"].fillna("?").tolist() == ["basic", "gold", "?"]
    assert frame.columns == ("age", "zip", "plan", "hobby", "empty")


def test_kinds_are_inferred_from_the_values() -> None:
    assert wide_features(WIDE).kinds == {
        "age": ColumnKind.NUMERIC,
        "zip": ColumnKind.CATEGORICAL,  # a leading zero is part of a code
        "plan": ColumnKind.CATEGORICAL,
        "hobby": ColumnKind.MULTI,
        "empty": ColumnKind.CATEGORICAL,
    }


def test_a_missing_number_is_nan() -> None:
    ages = wide_features(WIDE).table["age"]
    assert ages.dtype == "float32"
    assert math.isnan(ages[0])
    assert ages.tolist()[1:] == [34.0, 20.5]


def test_typed_columns_need_no_inference() -> None:
    table = pd.DataFrame(
        {"user_id": [2, 1], "n": [1, 2], "x": [0.5, None], "yes": [True, False], "t": [["a"], []]}
    )
    frame = wide_features(table)
    assert frame.ids == ("1", "2")
    assert list(frame.kinds.values()) == [
        ColumnKind.NUMERIC,
        ColumnKind.NUMERIC,
        ColumnKind.CATEGORICAL,
        ColumnKind.MULTI,
    ]


def test_a_declared_kind_overrules_the_values() -> None:
    frame = wide_features(WIDE, kinds={"age": ColumnKind.CATEGORICAL, "zip": ColumnKind.NUMERIC})
    assert frame.kinds["age"] is ColumnKind.CATEGORICAL
    assert frame.table["zip"].tolist()[:2] == [98765.0, 1234.0]


def test_a_table_can_be_keyed_by_items() -> None:
    frame = wide_features(pd.DataFrame({"item_id": ["x"], "genre": ["rock"]}), key="item_id")
    assert (frame.key, frame.ids) == ("item_id", ("x",))


def test_a_table_without_its_key_is_refused() -> None:
    with pytest.raises(LayoutError, match="column 'user_id': is missing; the table has 'a'"):
        wide_features(pd.DataFrame({"a": [1]}))


def test_a_declared_column_that_is_not_there_is_refused() -> None:
    with pytest.raises(LayoutError, match="column 'income'"):
        wide_features(WIDE, kinds={"income": ColumnKind.NUMERIC})


def test_a_text_in_a_declared_numeric_column_is_refused() -> None:
    with pytest.raises(ValueRefusedError, match="column 'plan', row 1: 'gold' is not a number"):
        wide_features(WIDE, kinds={"plan": ColumnKind.NUMERIC})


def test_an_infinite_feature_is_refused() -> None:
    with pytest.raises(ValueRefusedError, match="row 2: 'inf' is infinite"):
        wide_features(pd.DataFrame({"user_id": ["a", "b"], "x": ["1", "inf"]}))


def test_a_number_beyond_32_bits_is_refused() -> None:
    with pytest.raises(ValueRefusedError, match="beyond the range"):
        wide_features(pd.DataFrame({"user_id": ["a"], "x": [1e300]}))


@pytest.mark.parametrize("again", ["a", " a "])
def test_a_second_row_of_a_user_is_refused(again: str) -> None:
    table = pd.DataFrame({"user_id": ["a", "b", again], "x": [1, 2, 3]})
    with pytest.raises(DuplicateKeyError, match="column 'user_id', row 3: repeats"):
        wide_features(table)


def test_a_second_row_of_an_item_is_refused() -> None:
    table = pd.DataFrame({"item_id": ["a", "a"], "x": [1, 2]})
    with pytest.raises(DuplicateKeyError, match="column 'item_id'"):
        wide_features(table, key="item_id")


def test_a_column_of_mixed_types_is_refused() -> None:
    with pytest.raises(ValueRefusedError, match="mixes types"):
        wide_features(pd.DataFrame({"user_id": ["a", "b"], "x": ["a", 1]}))


def test_a_long_table_has_one_row_a_user_and_feature() -> None:
    table = pd.DataFrame(
        {"user_id": ["b", "a", "b"], "feature": ["y", "x", "x"], "value": ["2", "1", "0.5"]}
    )
    frame = long_features(table)
    assert frame.layout is FeatureLayout.LONG
    assert frame.ids == ("a", "b")
    assert frame.columns == ()
    assert frame.table.to_dict("list") == {
        "row": [0, 1, 1],
        "feature": ["x", "x", "y"],
        "value": [1.0, 0.5, 2.0],
    }


def test_a_long_table_without_values_counts_one_each() -> None:
    frame = long_features(pd.DataFrame({"user_id": ["a"], "feature": ["x"]}))
    assert frame.table["value"].tolist() == [1.0]


def test_a_second_row_of_a_user_and_feature_is_refused() -> None:
    table = pd.DataFrame({"user_id": ["a", "a", "a"], "feature": ["x", "y", "x"]})
    with pytest.raises(DuplicateKeyError, match="row 3: repeats"):
        long_features(table)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("", "x", "1"), "column 'user_id', row 2: is missing"),
        (("b", "", "1"), "column 'feature', row 2: is missing"),
        (("b", "x", ""), "column 'value', row 2: is missing"),
        (("b", "x", "many"), "column 'value', row 2: 'many' is not a number"),
        (("b", "x", "inf"), "column 'value', row 2: 'inf' is infinite"),
    ],
)
def test_a_gap_in_a_long_table_is_refused(row: tuple[str, str, str], said: str) -> None:
    table = pd.DataFrame([("a", "x", "1"), row], columns=["user_id", "feature", "value"])
    with pytest.raises(ValueRefusedError, match=said):
        long_features(table)


def test_a_printed_table_shows_no_identifier() -> None:
    assert "'b'" not in repr(wide_features(WIDE))
