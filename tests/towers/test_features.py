import numpy as np
import pytest
import scipy.sparse as sp

from towers.errors import FeatureError, TowersError
from towers.features import Features


def test_a_row_with_an_entry_or_a_number_is_known() -> None:
    multi_hot = sp.csr_array(np.array([[1.0], [0.0], [0.0]]))
    dense = np.array([[np.nan], [0.0], [np.nan]], np.float32)
    known = Features(multi_hot=multi_hot, dense=dense).known()
    assert known.tolist() == [True, True, False]


def test_rows_are_taken_in_the_order_asked_for() -> None:
    features = Features.from_dense(np.arange(6, dtype=np.float32).reshape(3, 2))
    assert features.take(np.array([2, 0])).dense.tolist() == [[4, 5], [0, 1]]


def test_features_of_one_kind_have_no_columns_of_the_other() -> None:
    sparse = Features.from_multi_hot(sp.csr_array(np.eye(3)))
    dense = Features.from_dense(np.ones((3, 2), np.float32))
    assert (sparse.rows, sparse.dense.shape) == (3, (3, 0))
    assert (dense.rows, dense.multi_hot.shape) == (3, (3, 0))
    assert sparse.known().all()


@pytest.mark.parametrize(
    ("multi_hot", "dense", "reason"),
    [
        (np.eye(3), np.zeros((2, 1)), "3 rows but dense has 2"),
        (np.eye(3), np.zeros(3), "1 axes"),
        (np.eye(3) * np.nan, np.zeros((3, 1)), "not finite"),
        (np.eye(3), np.full((3, 1), np.inf), "infinite"),
    ],
)
def test_unusable_features_are_refused(
    multi_hot: np.ndarray, dense: np.ndarray, reason: str
) -> None:
    with pytest.raises(FeatureError, match=reason) as caught:
        Features(multi_hot=sp.csr_array(multi_hot), dense=dense.astype(np.float32))
    assert isinstance(caught.value, TowersError)


def test_printed_features_show_no_value() -> None:
    assert "array" not in repr(Features.from_dense(np.ones((1, 1), np.float32)))
