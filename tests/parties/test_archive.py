import io

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from parties.archive import pack_arrays, unpack_arrays
from parties.errors import CheckpointError

ARRAYS = st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.bool_]).flatmap(
    lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4))
)


@settings(max_examples=30)
@given(arrays=st.dictionaries(st.from_regex(r"[a-z]{1,8}:[a-z0-9-]{1,8}", fullmatch=True), ARRAYS))
def test_arrays_come_back_as_they_were(arrays: dict[str, npt.NDArray[np.generic]]) -> None:
    found = unpack_arrays(pack_arrays(arrays))
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("data", [b"", b"no archive", b"PK\x03\x04 cut short"])
def test_bytes_that_are_no_archive_are_refused(data: bytes) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        unpack_arrays(data)


@pytest.mark.parametrize("keep", [10, 100, 200])
def test_an_archive_cut_short_is_refused(keep: int) -> None:
    whole = pack_arrays({"values": np.arange(50)})
    with pytest.raises(CheckpointError, match="cannot be read"):
        unpack_arrays(whole[:keep])


def test_objects_are_neither_written_nor_run() -> None:
    with pytest.raises(ValueError, match="pickle"):
        pack_arrays({"objects": np.array([{}], dtype=object)})
    buffer = io.BytesIO()
    np.savez(buffer, objects=np.array([{}], dtype=object))
    with pytest.raises(CheckpointError, match="cannot be read"):
        unpack_arrays(buffer.getvalue())


def test_a_single_array_is_no_archive() -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.arange(3))
    with pytest.raises(CheckpointError, match="cannot be read"):
        unpack_arrays(buffer.getvalue())
