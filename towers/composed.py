"""Vectors of songs that are partly their own and partly those of what they are made of."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from torch import Tensor

from towers.features import Floats

Ids = npt.NDArray[np.int64]
EPSILON = 1e-6  # keeps the first step of a row finite


class AdagradTable:
    """Rows that learn by Adagrad with one step size a row; only rows with a gradient move.

    Args:
        shape: rows and columns.
        rate: the learning rate.
        generator: where the first values come from, uniform in ±1 / (2 columns).

    Source: Duchi et al. (JMLR 2011); one step size a row saves the memory of the others.
    """

    def __init__(self, shape: tuple[int, int], rate: float, generator: torch.Generator) -> None:
        self.rows = (torch.rand(shape, generator=generator) - 0.5) / shape[1]
        self._squares = torch.zeros(shape[0])
        self._rate = rate

    def apply(self, rows: Tensor, gradient: Tensor) -> None:
        """Step along the gradient of some rows, each named once."""
        self._squares[rows] += gradient.square().mean(1)
        step = self._rate / (self._squares[rows].sqrt() + EPSILON)
        self.rows[rows] -= step[:, None] * gradient


@dataclass(frozen=True, slots=True)
class Rows:
    """Vectors of some songs, and what is needed to pass a gradient on.

    Args:
        songs: (n,) each once.
        vectors: (n, d).
        parts: (n, k) the parts that occur in them, and no others.
        columns: (k,) which parts those are.
    """

    songs: Ids
    vectors: Tensor
    parts: sp.csr_array
    columns: Ids


class ComposedTable:
    """Vectors x_i + factor * sum_j parts_ij y_j of songs i, with x and y learnt.

    Args:
        parts: (songs, parts) float32, what songs are made of.
        factor: how much that counts, at least 0; at 0 a song has its own vector alone.
        own: (songs, d) table of x.
        shared: (parts, d) table of y.
    """

    def __init__(
        self, parts: sp.csr_array, factor: float, *, own: AdagradTable, shared: AdagradTable
    ) -> None:
        self._parts = parts if factor else sp.csr_array(parts.shape, dtype=np.float32)
        self._factor = factor
        self._own = own
        self._shared = shared

    def vectors(self) -> Floats:
        """(songs, d) the vectors of all songs."""
        composed = self._own.rows.numpy() + self._factor * (
            self._parts @ self._shared.rows.numpy()
        )
        return np.asarray(composed, np.float32)

    def look_up(self, songs: Ids) -> Rows:
        """The vectors of some songs, each named once."""
        parts, columns = _compact(self._parts[songs])
        own = self._own.rows[torch.from_numpy(songs)]
        shared = parts @ self._shared.rows[torch.from_numpy(columns)].numpy()
        return Rows(songs, own + self._factor * torch.from_numpy(shared), parts, columns)

    def apply(self, rows: Rows, gradient: Tensor) -> None:
        """Step along the (n, d) gradient of vectors that were looked up."""
        self._own.apply(torch.from_numpy(rows.songs), gradient)
        if len(rows.columns):
            shared = self._factor * (rows.parts.T @ gradient.numpy())
            self._shared.apply(torch.from_numpy(rows.columns), torch.from_numpy(shared))


def _compact(rows: sp.csr_array) -> tuple[sp.csr_array, Ids]:
    """The columns of a matrix that are not empty, and which they are."""
    used = np.zeros(rows.shape[1], dtype=bool)
    used[rows.indices] = True
    columns = np.flatnonzero(used)
    place = np.cumsum(used) - 1
    shape = (rows.shape[0], len(columns))
    return sp.csr_array((rows.data, place[rows.indices], rows.indptr), shape=shape), columns
