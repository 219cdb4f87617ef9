"""Fixed point: reals in [-clip, clip] as non-negative integers whose sums stay exact.

A value x becomes the level round(x / step) + half, with half = 2**(bits - 1) - 1 and
step = clip / half. Zero is the level `half` exactly, so a slot a partner does not know adds
exactly nothing. Levels run from 0 to 2 * half = 2**bits - 2.
"""

import math
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
import numpy.typing as npt

from federation.errors import MalformedError, SettingError

ALLOWED_BITS: Final = (8, 12, 16)
CLIP_RANGE: Final = (1e-6, 1e6)  # keeps value / step far from overflow in doubles


class Rounding(Enum):
    """How a value between two levels is rounded."""

    NEAREST = "nearest"  # ties to even; the error is at most half a step
    STOCHASTIC = "stochastic"  # unbiased; the error is below one step


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """Levels of one matrix, and how many of its values lay beyond the clip."""

    levels: npt.NDArray[np.int64]
    clipped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedPoint:
    """A grid of 2**bits - 1 levels over [-clip, clip]; the clip is in embedding units."""

    clip: float
    bits: int = 16
    rounding: Rounding = Rounding.NEAREST

    def __post_init__(self) -> None:
        low, high = CLIP_RANGE
        if not low <= self.clip <= high:
            raise SettingError(f"clip is {self.clip}; choose one from {low} to {high}")
        if self.bits not in ALLOWED_BITS:
            raise SettingError(f"bits is {self.bits}; choose one of {ALLOWED_BITS}")

    @property
    def half(self) -> int:
        """The level of zero."""
        return half_levels(self.bits)

    @property
    def top(self) -> int:
        """The largest level, that of `clip`."""
        return 2 * self.half

    @property
    def step(self) -> float:
        """The distance between two levels, in embedding units."""
        return self.clip / self.half

    def encode(
        self, values: npt.NDArray[np.float32], *, rng: np.random.Generator | None = None
    ) -> Encoding:
        """Clip and round reals to levels.

        Args:
            values: any shape, in embedding units.
            rng: where stochastic rounding draws from; nearest rounding needs none.

        Returns:
            Levels of the same shape, each from 0 to `top`, and the count of clipped values.

        Raises:
            SettingError: a value is not finite, or stochastic rounding got no generator.
        """
        refuse_non_finite(values)
        scaled = values.astype(np.float64) / self.step
        clipped = int(np.count_nonzero(np.abs(values) > self.clip))
        np.clip(scaled, -self.half, self.half, out=scaled)
        levels = self._round(scaled, rng).astype(np.int64)
        levels += self.half
        return Encoding(levels=levels, clipped=clipped)

    def _round(
        self, scaled: npt.NDArray[np.float64], rng: np.random.Generator | None
    ) -> npt.NDArray[np.float64]:
        if self.rounding is Rounding.NEAREST:
            return np.rint(scaled)
        if rng is None:
            raise SettingError("stochastic rounding needs a random generator")
        # The sum may round up to the next integer when it is within a double's last place.
        return np.minimum(np.floor(scaled + rng.random(scaled.shape)), self.half)

    def decode(self, total: npt.NDArray[np.int64], *, parties: int) -> npt.NDArray[np.float32]:
        """Turn sums of levels back into sums of reals.

        Args:
            total: any shape, each the sum of `parties` levels.
            parties: how many encodings were added.

        Raises:
            MalformedError: a sum is beyond what that many levels can reach.
        """
        if total.size and not (int(total.min()) >= 0 and int(total.max()) <= parties * self.top):
            raise MalformedError(
                f"a sum lies beyond what {parties} partners can reach: a mask did not cancel, or "
                "a partner's values were not in fixed point"
            )
        return ((total - parties * self.half) * self.step).astype(np.float32)


def half_levels(bits: int) -> int:
    """The level of zero on a grid of that many bits."""
    return int(2 ** (bits - 1)) - 1


def refuse_non_finite(values: npt.NDArray[np.float32]) -> None:
    """Raise SettingError naming the first value that is NaN or infinite."""
    finite = np.isfinite(values)
    if finite.all():
        return
    where = tuple(int(i) for i in np.argwhere(~finite)[0])
    value = float(values[where])
    kind = "NaN" if math.isnan(value) else "infinite"
    raise SettingError(f"the value at {where} is {kind}; only finite values can be encrypted")
