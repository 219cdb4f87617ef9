import io

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parties.archive import pack_arrays, unpack_arrays
from parties.errors import CheckpointError

KINDS = st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.bool_])
SHAPES = st.lists(st.tuples(KINDS, st.integers(0, 3), st.integers(0, 4)), max_size=4)


@settings(deadline=None)
@given(shapes=SHAPES, seed=st.integers(0, 9))
def test_arrays_come_back_as_they_were(
    shapes: list[tuple[type[np.generic], int, int]], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    arrays: dict[str, npt.NDArray[np.generic]] = {
        f"kind:{number}-x": rng.integers(0, 9, size=(rows, columns)).astype(kind)
        for number, (kind, rows, columns) in enumerate(shapes)
    }
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
