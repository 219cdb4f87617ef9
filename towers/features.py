"""What a party knows of its users or songs, as numbers, before any model sees it."""

from dataclasses import dataclass, field
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from towers.errors import FeatureError

Floats: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """One row a user (or song): sparse counts or categories beside dense numbers.

    Args:
        multi_hot: (n, f) counts, weights or one-hot categories; finite.
        dense: (n, m) numbers, NaN where a value is missing.

    Raises:
        FeatureError: the row counts differ, or a value is infinite (or NaN in `multi_hot`).
    """

    multi_hot: sp.csr_array = field(repr=False)
    dense: Floats = field(repr=False)

    def __post_init__(self) -> None:
        if self.dense.ndim != 2:
            raise FeatureError(f"dense features have {self.dense.ndim} axes; expected (n, m)")
        if self.multi_hot.shape[0] != self.dense.shape[0]:
            rows = (self.multi_hot.shape[0], self.dense.shape[0])
            raise FeatureError(f"multi-hot has {rows[0]} rows but dense has {rows[1]}")
        if not np.isfinite(self.multi_hot.data).all():
            raise FeatureError("multi-hot features hold a value that is not finite")
        if np.isinf(self.dense).any():
            raise FeatureError("dense features hold an infinite value")

    @classmethod
    def from_multi_hot(cls, multi_hot: sp.csr_array) -> Self:
        """Features without any dense column."""
        rows = multi_hot.shape[0]
        return cls(multi_hot=sp.csr_array(multi_hot), dense=np.empty((rows, 0), np.float32))

    @classmethod
    def from_dense(cls, dense: Floats) -> Self:
        """Features without any multi-hot column."""
        multi_hot = sp.csr_array((dense.shape[0], 0), dtype=np.float32)
        return cls(multi_hot=multi_hot, dense=dense)

    @property
    def rows(self) -> int:
        """How many users (or songs) there are, known or not."""
        return int(self.dense.shape[0])

    def known(self) -> npt.NDArray[np.bool_]:
        """(n,) whether a row holds anything at all: an entry, or a number that is not missing."""
        entries = np.diff(self.multi_hot.indptr) > 0
        numbers = ~np.isnan(self.dense).all(axis=1) if self.dense.shape[1] else False
        return np.asarray(entries | numbers, dtype=np.bool_)

    def take(self, rows: npt.NDArray[np.int64]) -> "Features":
        """The same columns for some of the rows, in the order asked for."""
        return Features(multi_hot=self.multi_hot[rows], dense=self.dense[rows])
