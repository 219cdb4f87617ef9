"""Array types of the listening world."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Strings = npt.NDArray[np.str_]


def unit_rows(rows: Doubles) -> Doubles:
    """Scale the last axis to L2 norm 1."""
    scaled: Doubles = rows / np.linalg.norm(rows, axis=-1, keepdims=True)
    return scaled
