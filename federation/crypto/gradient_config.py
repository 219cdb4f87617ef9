"""Settings of the encrypted batch gradient, its fixed point and its layout in slots.

A ciphertext holds `SLOTS // dim` users. Their values lie dimension by dimension, users side by
side, in the two rows of BFV's slots: the slots of one user are then one residue class, and a
number repeated over them is a polynomial in X**dim. Such a factor has 128 coefficients instead
of 8192 (at dim = 64): it compresses sixtyfold and adds less noise.
"""

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from federation.crypto.fixed_point import CLIP_RANGE, half_levels, refuse_non_finite
from federation.crypto.he_ntt import PLAIN_MODULUS, SLOTS, Integers
from federation.errors import SettingError, SmallBatchError

GROUP_ROWS: Final = 128
USERS_PER_COLUMN: Final = 8  # below 8 users a column, single gradients can be told apart
_DIMS: Final = (32, 64, 128)
_MAX_COLUMNS: Final = 256
_BITS_RANGE: Final = (4, 16)

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class GradientConfig:
    """What both sides of the encrypted batch gradient agree on.

    Raises:
        SettingError: a setting is out of range, or the largest batch could exceed the modulus.
    """

    columns: int  # r, the width of phi
    clip: float  # L2 bound of a row of G, in gradient units
    dim: int = 64  # d, the width of G
    gradient_bits: int = 16  # with sign
    phi_bits: int = 12  # with sign; phi lies in [-1, 1]
    max_rows: int = 4096  # users in the largest batch
    noised: bool = False  # every sum carries noise, so that smaller batches are safe
    cache_bytes: int = 256 * 2**20  # of encoded columns a partner keeps

    def __post_init__(self) -> None:
        if self.dim not in _DIMS:
            raise SettingError(f"dim is {self.dim}; choose one of {_DIMS}")
        _refuse_outside("columns", self.columns, (1, _MAX_COLUMNS))
        _refuse_outside("clip", self.clip, CLIP_RANGE)
        _refuse_outside("gradient_bits", self.gradient_bits, _BITS_RANGE)
        _refuse_outside("phi_bits", self.phi_bits, _BITS_RANGE)
        _refuse_outside("max_rows", self.max_rows, (GROUP_ROWS, 2**31))
        _refuse_outside("cache_bytes", self.cache_bytes, (0, 2**50))
        if self.largest_sum > PLAIN_MODULUS // 2:
            raise SettingError(
                f"max_rows={self.max_rows} with gradient_bits={self.gradient_bits} and phi_bits="
                f"{self.phi_bits} can sum to {self.largest_sum}, beyond {PLAIN_MODULUS // 2}: "
                "lower one of the three"
            )

    @property
    def gradient_top(self) -> int:
        """The integer that stands for `clip`."""
        return half_levels(self.gradient_bits)

    @property
    def phi_top(self) -> int:
        """The integer that stands for 1 in phi."""
        return half_levels(self.phi_bits)

    @property
    def largest_sum(self) -> int:
        """Bound of a batch sum as an integer, before noise."""
        return self.max_rows * self.gradient_top * self.phi_top

    @property
    def unit(self) -> float:
        """What one unit of an integer sum is worth in gradient units."""
        return self.clip / (self.gradient_top * self.phi_top)

    @property
    def rows_per_cipher(self) -> int:
        """Users a ciphertext has room for."""
        return SLOTS // self.dim

    @property
    def ciphers_per_group(self) -> int:
        """Ciphertexts that hold one group; at dim 32 one, half empty."""
        return max(1, GROUP_ROWS // self.rows_per_cipher)

    def settings_bytes(self) -> bytes:
        """What a sealed gradient depends on, for the fingerprint of its key."""
        return struct.pack("<IdI", self.dim, self.clip, self.gradient_bits)

    def refuse_batch(self, rows: int) -> None:
        """Check the number of users in a batch.

        Raises:
            SmallBatchError: too few against the width, and the sums carry no noise.
            SettingError: more than `max_rows`.
        """
        needed = USERS_PER_COLUMN * self.columns
        if rows < needed and not self.noised:
            raise SmallBatchError(
                f"a batch of {rows} users is too small for columns={self.columns}: without noise "
                f"it needs {needed}, or single gradients could be recovered from the sum. Take "
                "more exchange.batch_groups, a lower encoder.width, or profile frozen"
            )
        if rows > self.max_rows:
            raise SettingError(f"a batch of {rows} users is more than max_rows={self.max_rows}")

    def fix_gradients(self, gradients: Floats) -> Integers:
        """Clip rows to `clip` in L2 norm and round to integers, nearest, ties to even.

        Args:
            gradients: (groups, GROUP_ROWS, dim), in gradient units.

        Raises:
            SettingError: another shape, or a value that is not finite.
        """
        if gradients.ndim != 3 or gradients.shape[1:] != (GROUP_ROWS, self.dim):
            raise SettingError(
                f"gradients has shape {gradients.shape}, not (groups, {GROUP_ROWS}, {self.dim})"
            )
        refuse_non_finite(gradients)
        rows = gradients.astype(np.float64)
        norms = np.linalg.norm(rows, axis=2, keepdims=True)
        rows *= self.gradient_top / np.maximum(norms, self.clip)
        return np.rint(rows).astype(np.int64)

    def fix_phi(self, phi: Floats) -> npt.NDArray[np.int16]:
        """Round (rows, columns) features in [-1, 1] to integers, nearest, ties to even.

        Raises:
            SettingError: another shape, or a value outside [-1, 1] or not finite.
        """
        if phi.ndim != 2 or phi.shape[1] != self.columns:
            raise SettingError(f"phi has shape {phi.shape}, not (slots, {self.columns})")
        refuse_non_finite(phi)
        if phi.size and float(np.abs(phi).max()) > 1.0:
            raise SettingError("phi has values beyond 1; scale its rows to L2 norm 1")
        return np.rint(phi.astype(np.float64) * self.phi_top).astype(np.int16)

    def spread(self, rows: Integers) -> Integers:
        """Lay (users, dim) values of one ciphertext, or (users, 1) to repeat, over its slots."""
        room = np.zeros((self.rows_per_cipher, rows.shape[1]), dtype=np.int64)
        room[: len(rows)] = rows
        halves = room.reshape(2, -1, rows.shape[1]).transpose(0, 2, 1)
        whole = np.broadcast_to(halves, (2, self.dim, self.rows_per_cipher // 2))
        return whole.reshape(SLOTS)

    def sum_users(self, slots: Integers) -> Integers:
        """Sum (SLOTS,) values over the users of a ciphertext to (dim,), modulo the modulus."""
        blocks = slots.reshape(2, self.dim, self.rows_per_cipher // 2)
        total: Integers = blocks.sum(axis=(0, 2)) % PLAIN_MODULUS
        return total


def _refuse_outside(name: str, value: float, allowed: tuple[float, float]) -> None:
    if not allowed[0] <= value <= allowed[1]:
        raise SettingError(f"{name} is {value}; choose one from {allowed[0]} to {allowed[1]}")
