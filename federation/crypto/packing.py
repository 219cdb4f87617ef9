"""Packing: several fixed-point levels in one plaintext slot, with room for their sum.

A field of `width` = bits + ceil(log2 parties) bits holds the sum of that many levels, so a slot
of `fields` fields is added as one integer and no field ever carries into the next. The plain
modulus is a prime above the largest packed sum, so the sum modulo it is the sum itself.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from federation.crypto.fixed_point import half_levels
from federation.errors import GuardBitsError, MalformedError, SettingError

# Two fields of 19 bits, or three of 14, fill a slot: with 12 bits of room for noise above it the
# modulus stays within one 54-bit prime (see `bfv`).
SLOT_BITS: Final = 42
WIDEST_FIELD: Final = 19
# The noise of a sum grows with the square root of the parties; 64 leave 17 deviations (see `bfv`).
MOST_PARTIES: Final = 64
# Miller-Rabin with these bases has no false prime below 3.3e24.
_WITNESSES: Final = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """How levels lie in plaintext slots; made by `choose`."""

    parties: int
    bits: int
    degree: int  # slots in one ciphertext
    width: int  # bits of one field
    fields: int  # fields in one slot
    modulus: int  # prime, 1 modulo 2 * degree, above every packed sum

    @classmethod
    def choose(cls, *, parties: int, bits: int, degree: int = 4096) -> Self:
        """Pack as many fields as a slot can hold for that many parties.

        Raises:
            GuardBitsError: a field cannot hold the sum of that many levels.
            SettingError: there is no party.
        """
        if parties < 1:
            raise SettingError(f"parties is {parties}; at least one must encrypt")
        guard = (parties - 1).bit_length()
        width = bits + guard
        if width > WIDEST_FIELD or parties > MOST_PARTIES:
            most = min(MOST_PARTIES, 2 ** (WIDEST_FIELD - bits))
            raise GuardBitsError(
                f"{parties} partners need {guard} guard bits above {bits}-bit values; at most "
                f"{most} partners fit: use fewer bits (12 or 8) or fewer partners"
            )
        fields = SLOT_BITS // width
        largest = parties * 2 * half_levels(bits) * sum(1 << (width * i) for i in range(fields))
        return cls(
            parties=parties,
            bits=bits,
            degree=degree,
            width=width,
            fields=fields,
            modulus=batching_prime(largest, degree=degree, bits=width * fields),
        )

    def ciphertexts(self, count: int) -> int:
        """How many ciphertexts carry `count` values."""
        return -(-count // (self.fields * self.degree))

    def pack(self, levels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Lay levels of any shape into (ciphertexts, degree) slots, zeros after the last.

        Raises:
            SettingError: a level lies outside the fixed-point grid.
        """
        flat = levels.reshape(-1)
        if flat.size and not (
            int(flat.min()) >= 0 and int(flat.max()) <= 2 * half_levels(self.bits)
        ):
            raise SettingError(f"a level lies outside the {self.bits}-bit grid")
        shape = (self.fields, self.ciphertexts(flat.size), self.degree)
        padded = np.zeros(shape, dtype=np.int64)
        padded.reshape(-1)[: flat.size] = flat
        slots: npt.NDArray[np.int64] = padded[0]
        for i in range(1, self.fields):
            slots = slots | (padded[i] << (self.width * i))
        return slots

    def unpack(self, slots: npt.NDArray[np.int64], *, count: int) -> npt.NDArray[np.int64]:
        """Take `count` field sums out of (ciphertexts, degree) slots.

        Raises:
            MalformedError: the slots behind the last value are not zero.
        """
        shifts = (np.arange(self.fields) * self.width)[:, None, None]
        flat = ((slots[None] >> shifts) & ((1 << self.width) - 1)).reshape(-1)
        if flat[count:].any():
            raise MalformedError("the padding of a sum is not zero: a mask did not cancel")
        return flat[:count]


def batching_prime(above: int, *, degree: int, bits: int) -> int:
    """The largest prime of that many bits which allows batching and is larger than `above`.

    If none of `bits` bits is large enough, one of more bits is taken.
    """
    above = max(above, _WITNESSES[-1])  # the test of primality is for numbers above its bases
    step = 2 * degree  # batching needs p = 1 modulo 2 * degree
    while True:
        candidate = ((1 << bits) - 2) // step * step + 1
        while candidate > above:
            if _is_prime(candidate):
                return candidate
            candidate -= step
        bits += 1


def _is_prime(odd: int) -> bool:
    power = ((odd - 1) & -(odd - 1)).bit_length() - 1
    return all(_passes(odd, base, power) for base in _WITNESSES)


def _passes(odd: int, base: int, power: int) -> bool:
    """One round of Miller-Rabin: could `odd`, with 2**power dividing odd - 1, be prime?"""
    x = pow(base, (odd - 1) >> power, odd)
    if x in (1, odd - 1):
        return True
    for _ in range(power - 1):
        x = x * x % odd
        if x == odd - 1:
            return True
    return False
