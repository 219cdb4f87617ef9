"""Item-to-item weights by one matrix inversion, from whichever side is smaller.

For plays X (users by items) and penalties Λ on the diagonal, the weights B that minimise
‖X - XB‖² + ‖Λ^½ B‖² with a diagonal of zero are, by Lagrange's multipliers,

    P = (XᵀX + Λ)⁻¹,   B = I - P / diag(P)  (column j over P_jj).

That inverts a matrix of items by items. By Woodbury's identity

    P = Λ⁻¹ - Λ⁻¹ Xᵀ K X Λ⁻¹   with   K = (X Λ⁻¹ Xᵀ + I)⁻¹,

which inverts one of users by users and never makes one of items by items: the same weights, for a
small platform's whole catalogue.

Source: Steck (WWW 2019) for the weights (EASE); Steck (NeurIPS 2020) for penalties that grow with
a song's plays, as dropout of plays would make them; Woodbury (1950) for the second form.
"""

from dataclasses import dataclass, field
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.sparse as sp

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]


class ItemWeights(Protocol):
    """Item-to-item weights B, asked for a user at a time."""

    def scores(self, songs: Ids, values: Floats) -> Floats32:
        """(items,) the user's row x times B, where x is `values` at `songs` and else 0."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ItemSide:
    """B itself.

    Args:
        weights: (items, items), B.
    """

    weights: Floats32 = field(repr=False)

    @classmethod
    def solve(cls, plays: sp.csr_array, penalties: Floats) -> Self:
        """Invert items by items.

        Args:
            plays: (users, items).
            penalties: (items,), the diagonal of Λ, above 0.
        """
        gram = (plays.T @ plays).toarray()
        gram[np.diag_indices_from(gram)] += penalties
        inverse = _inverse(gram)
        weights = -inverse / np.diag(inverse)
        np.fill_diagonal(weights, 0.0)
        return cls(weights.astype(np.float32))

    def scores(self, songs: Ids, values: Floats) -> Floats32:
        """See `ItemWeights.scores`."""
        return values.astype(np.float32) @ self.weights[songs]


@dataclass(frozen=True, slots=True, eq=False)
class UserSide:
    """B as the product it is, through the users who taught it.

    Numbers of 32 bits are enough while a song's penalty is not tiny beside the squares of its
    plays; a dropout of one half makes it as large.

    Args:
        kernel: (users, users), K.
        plays: (items, users), Xᵀ.
        penalties: (items,), the diagonal of Λ.
        own: (items,), the diagonal of Xᵀ K X Λ⁻¹, below 1.
    """

    kernel: Floats32 = field(repr=False)
    plays: sp.csr_array = field(repr=False)
    penalties: Floats = field(repr=False)
    own: Floats = field(repr=False)

    @classmethod
    def solve(cls, plays: sp.csr_array, penalties: Floats) -> Self:
        """Invert users by users.

        Args:
            plays: (users, items).
            penalties: (items,), the diagonal of Λ, above 0.
        """
        scaled = sp.csr_array(plays @ sp.diags_array(1 / penalties))
        gram = (scaled @ plays.T).toarray()
        gram[np.diag_indices_from(gram)] += 1.0
        kernel = _inverse(gram)
        by_song = sp.csr_array(plays.T)
        own = _quadratic_forms(by_song, kernel) / penalties
        return cls(kernel.astype(np.float32), by_song.astype(np.float32), penalties, own)

    def scores(self, songs: Ids, values: Floats) -> Floats32:
        """See `ItemWeights.scores`."""
        listeners = self.plays[songs].T @ (values / self.penalties[songs]).astype(np.float32)
        raw = self.plays @ (self.kernel @ listeners)
        raw[songs] -= values * self.own[songs]  # a song says nothing of itself
        return np.asarray(raw / (1 - self.own), dtype=np.float32)


def _inverse(matrix: Floats) -> Floats:
    """Of a symmetric positive definite matrix."""
    factor = scipy.linalg.cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
    inverse: Floats = scipy.linalg.cho_solve(factor, np.eye(len(matrix)), check_finite=False)
    return inverse


def _quadratic_forms(rows: sp.csr_array, kernel: Floats, entries: int = 4_000_000) -> Floats:
    """The form r K rᵀ of every row r; so many rows at a time that a product has `entries`."""
    at_once = max(1, entries // kernel.shape[0])
    parts = [rows[start : start + at_once] for start in range(0, rows.shape[0], at_once)]
    return np.concatenate([np.asarray(part.multiply(part @ kernel).sum(axis=1)) for part in parts])
