import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parties.tables import FeatureFrame, long_features, to_features, wide_features

WIDE = wide_features(
    pd.DataFrame(
        {
            "user_id": ["a", "b", "c", "d"],
            "age": [1.0, None, 3.0, 4.0],
            "plan": ["gold", "gold", "basic", None],
            "hobby": ["chess|golf|chess", "chess", "golf | chess", None],
        }
    )
)
LONG = long_features(
    pd.DataFrame(
        {
            "user_id": ["a", "a", "b", "c"],
            "feature": ["x", "y", "x", "z"],
            "value": [2.0, 3.0, 4.0, 5.0],
        }
    )
)


def test_labels_become_columns_named_after_column_and_value() -> None:
    matrix = to_features(WIDE, ["a", "b", "c", "d"], min_count=1)
    assert matrix.multi_hot_names == ("plan=basic", "plan=gold", "hobby=chess", "hobby=golf")
    assert matrix.multi_hot.dtype == np.float32
    assert matrix.multi_hot.toarray().tolist() == [
        [0, 1, 1, 1],
        [0, 1, 1, 0],
        [1, 0, 1, 1],
        [0, 0, 0, 0],
    ]


def test_numbers_stay_numbers_and_nan_where_missing() -> None:
    matrix = to_features(WIDE, ["d", "b"])
    assert matrix.dense_names == ("age",)
    assert matrix.dense.dtype == np.float32
    np.testing.assert_array_equal(matrix.dense, [[4.0], [math.nan]])


def test_features_of_a_long_table_carry_their_values() -> None:
    matrix = to_features(LONG, ["b", "a"], min_count=1)
    assert matrix.multi_hot_names == ("x", "y")  # nobody asked for c, who alone has z
    assert matrix.multi_hot.toarray().tolist() == [[4, 0], [2, 3]]
    assert matrix.dense.shape == (2, 0)


def test_rare_labels_are_dropped() -> None:
    assert to_features(WIDE, WIDE.ids).multi_hot_names == (
        "plan=gold",
        "hobby=chess",
        "hobby=golf",
    )
    assert to_features(WIDE, WIDE.ids, min_count=3).multi_hot_names == ("hobby=chess",)
    assert to_features(LONG, LONG.ids).multi_hot_names == ("x",)


def test_a_user_the_table_lacks_is_an_empty_row() -> None:
    matrix = to_features(WIDE, ["stranger", "a"], min_count=1)
    assert matrix.multi_hot.toarray()[0].tolist() == [0.0] * 3
    assert np.isnan(matrix.dense[0]).all()
    assert matrix.dense[1] == [1.0]


def test_no_users_make_an_empty_matrix() -> None:
    matrix = to_features(WIDE, [])
    assert matrix.multi_hot.shape == (0, 0)
    assert matrix.dense.shape == (0, 1)


def test_later_users_get_the_columns_of_earlier_ones() -> None:
    columns = to_features(WIDE, ["a", "b"], min_count=1).columns
    matrix = to_features(WIDE, ["c"], columns=columns)
    assert matrix.columns == columns
    assert columns.multi_hot == ("plan=gold", "hobby=chess", "hobby=golf")
    assert matrix.multi_hot.toarray().tolist() == [[0, 1, 1]]


def test_columns_another_table_lacks_are_empty() -> None:
    columns = to_features(WIDE, WIDE.ids).columns
    matrix = to_features(LONG, ["a"], columns=columns)
    assert matrix.multi_hot.nnz == 0
    assert np.isnan(matrix.dense).all()


def obvious(frame: FeatureFrame, ids: list[str], min_count: int) -> dict[str, dict[str, float]]:
    """Columns by name, each with its non-zero users: the definition, cell by cell."""
    columns: dict[str, dict[str, float]] = {}
    for user, cell in zip(frame.ids, frame.table["tags"], strict=True):
        for label in [] if pd.isna(cell) else cell.split("|"):
            if user in ids:
                columns.setdefault(f"tags={label}", {})[user] = 1.0
    return {name: users for name, users in columns.items() if len(users) >= min_count}


@given(
    table=st.dictionaries(
        st.sampled_from([*"abcdefgh"]), st.lists(st.sampled_from([*"uvwxyz"])), min_size=1
    ),
    ids=st.lists(st.sampled_from([*"abcdefghij"]), unique=True),
    min_count=st.integers(1, 3),
)
def test_the_matrix_agrees_with_the_definition(
    table: dict[str, list[str]], ids: list[str], min_count: int
) -> None:
    frame = wide_features(
        pd.DataFrame({"user_id": list(table), "tags": [list(t) for t in table.values()]})
    )
    matrix = to_features(frame, ids, min_count=min_count)
    expected = obvious(frame, ids, min_count)
    assert matrix.multi_hot_names == tuple(sorted(expected))
    for position, name in enumerate(matrix.multi_hot_names):
        column = matrix.multi_hot.toarray()[:, position]
        assert column.tolist() == [expected[name].get(user, 0.0) for user in ids]


@pytest.mark.parametrize("frame", [WIDE, LONG])
def test_the_order_of_users_is_the_order_of_rows(frame: FeatureFrame) -> None:
    forward = to_features(frame, frame.ids, min_count=1)
    backward = to_features(frame, frame.ids[::-1], min_count=1)
    assert forward.columns == backward.columns
    assert (forward.multi_hot.toarray()[::-1] == backward.multi_hot.toarray()).all()
    np.testing.assert_array_equal(forward.dense[::-1], backward.dense)
