"""What may go into an index: matrices of finite numbers and item numbers."""

import numpy as np
import numpy.typing as npt

from recall.errors import ItemNumberError, ShapeError

Ids = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]


def matrix(values: npt.ArrayLike, what: str, *, dim: int | None = None) -> Vectors:
    """`values` as a contiguous (rows, dim) float32 matrix of finite numbers.

    Args:
        values: any numbers.
        what: names them in an error.
        dim: numbers that a row has to have; any if left out.

    Raises:
        ShapeError: they are something else.
    """
    rows = shaped(values, what, dim=dim)
    require_finite(rows, what)
    return rows


def shaped(values: npt.ArrayLike, what: str, *, dim: int | None = None) -> Vectors:
    """The same, but nobody looked at the numbers: some may be NaN or infinite.

    Raises:
        ShapeError: they are no such matrix.
    """
    rows = np.ascontiguousarray(values, dtype=np.float32)
    if rows.ndim != 2:
        raise ShapeError(f"{what} must be a (rows, dim) matrix, not {rows.shape}")
    if dim is not None and rows.shape[1] != dim:
        raise ShapeError(f"{what} have {rows.shape[1]} numbers, the index {dim}")
    return rows


def require_finite(rows: Vectors, what: str) -> None:
    """Look at every number.

    Raises:
        ShapeError: one is NaN or infinite; `what` names them.
    """
    if np.count_nonzero(np.isfinite(rows)) != rows.size:  # half the time of .all()
        raise ShapeError(f"{what} hold NaN or infinity")


def first_vectors(values: npt.ArrayLike) -> Vectors:
    """The vectors an index begins with: at least one, of at least one number.

    Raises:
        ShapeError: they are something else.
    """
    rows = matrix(values, "vectors")
    if not rows.size:
        raise ShapeError("an index needs at least one vector of at least one number")
    return rows


def item_numbers(ids: npt.ArrayLike | None, *, count: int) -> Ids:
    """Item numbers for `count` vectors; 0 … count-1 when there are none.

    Raises:
        ShapeError: they are not one different number, at least 0, for each vector.
    """
    if ids is None:
        return np.arange(count, dtype=np.int64)
    numbers = whole_numbers(ids)
    if numbers.shape != (count,) or len(np.unique(numbers)) != count:
        raise ShapeError(f"ids must be {count} different item numbers")
    if count and numbers.min() < 0:
        raise ShapeError("ids must be at least 0: -1 stands for no item")
    return numbers


def new_numbers(ids: npt.ArrayLike, *, count: int, held: Ids) -> Ids:
    """Item numbers for `count` vectors more.

    Raises:
        ShapeError: they are not one different number, at least 0, for each vector.
        ItemNumberError: some are held already.
    """
    numbers = item_numbers(ids, count=count)
    known = numbers[np.isin(numbers, held)]
    if len(known):
        raise ItemNumberError(f"{len(known)} items are in the index already, such as {known[0]}")
    return numbers


def known_numbers(ids: npt.ArrayLike, *, held: Ids, count: int) -> Ids:
    """Different item numbers that are all held, of an index of `count` items.

    Raises:
        ShapeError: they are no vector of integers.
        ItemNumberError: one comes twice or is not held, or no item would be left.
    """
    numbers = whole_numbers(ids)
    if numbers.ndim != 1:
        raise ShapeError(f"ids must be a vector of item numbers, not {numbers.shape}")
    if len(np.unique(numbers)) != len(numbers):
        raise ItemNumberError("an item can be removed once only")
    unknown = numbers[~np.isin(numbers, held)]
    if len(unknown):
        raise ItemNumberError(f"{len(unknown)} items are not in the index, such as {unknown[0]}")
    if len(numbers) == count:
        raise ItemNumberError("an index keeps at least one item")
    return numbers


def whole_numbers(ids: npt.ArrayLike) -> Ids:
    """`ids` as int64, with nothing rounded or wrapped.

    Raises:
        ShapeError: they are no integers, or exceed 64 bits.
    """
    given = np.asarray(ids)
    if given.size == 0:
        return given.astype(np.int64)
    if given.dtype.kind not in "iu" or (given.dtype == np.uint64 and given.max() >= 2**63):
        raise ShapeError(f"ids must be 64-bit integers, not {given.dtype}")
    return np.array(given, dtype=np.int64)
