"""Pairwise masks: uniform numbers modulo t that vanish from the sum over all partners.

Two partners share a key. Of the two, the one whose name sorts first adds the numbers both draw
from it, the other subtracts them. Whoever lacks one of the keys, the hub and the item party
included, sees a uniformly random contribution; the sum over all partners is unchanged.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

from federation.errors import MaskReuseError, SettingError

KEY_BYTES: Final = 32
_WORD_BYTES: Final = 8
_LARGEST_STEP: Final = 2**64 - 1
_LARGEST_MODULUS: Final = 2**62  # sums of two residues stay below 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class PairwiseMasks:
    """The masks of one partner for one run.

    Args:
        own: this partner's name on the roster.
        keys: 32 bytes shared with each other partner, by that partner's name; fresh for each run
            and used for nothing else.

    Raises:
        SettingError: a key has another length, or a partner would share one with itself.
    """

    own: str
    keys: Mapping[str, bytes] = field(repr=False)
    _used: set[int] = field(default_factory=set, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.own in self.keys:
            raise SettingError(f"{self.own} cannot share a mask key with itself")
        for peer, key in self.keys.items():
            if len(key) != KEY_BYTES:
                raise SettingError(f"the mask key shared with {peer} is not {KEY_BYTES} bytes")

    def mask(self, step: int, count: int, modulus: int) -> npt.NDArray[np.int64]:
        """The sum of this partner's masks for one step.

        Args:
            step: number of the step; each may be masked once.
            count: how many numbers are masked.
            modulus: what the masked numbers are added modulo.

        Returns:
            (count,) numbers, uniform in [0, modulus).

        Raises:
            MaskReuseError: the step was masked before; the difference of two answers under the
                same mask would show how they differ.
            SettingError: the step or the modulus is out of range.
        """
        if not 0 <= step <= _LARGEST_STEP:
            raise SettingError(f"step {step} is out of range")
        if not 1 < modulus <= _LARGEST_MODULUS:
            raise SettingError(f"modulus {modulus} is out of range")
        if step in self._used:
            raise MaskReuseError(f"step {step} was masked before and cannot be masked again")
        self._used.add(step)
        total = np.zeros(count, dtype=np.int64)
        for peer, key in sorted(self.keys.items()):
            numbers = uniform_numbers(key, step, count=count, modulus=modulus)
            total += numbers if self.own < peer else modulus - numbers
            np.subtract(total, modulus, out=total, where=total >= modulus)
        return total


def uniform_numbers(key: bytes, step: int, *, count: int, modulus: int) -> npt.NDArray[np.int64]:
    """Draw (count,) numbers, uniform in [0, modulus), from a key's stream for one step.

    The stream is ChaCha20 with the step as nonce, read as little-endian 64-bit words cut to the
    bits of the modulus. Words not below the modulus are dropped, so the numbers are exactly
    uniform, and two holders of the key drop the same ones.

    Source: RFC 8439, section 2.3, with a 64-bit block counter before a 64-bit nonce.
    """
    nonce = bytes(8) + step.to_bytes(8, "little")
    stream = Cipher(algorithms.ChaCha20(key, nonce), mode=None).encryptor()
    keep = (1 << (modulus - 1).bit_length()) - 1
    found: list[npt.NDArray[np.int64]] = []
    missing = count
    while missing:
        words = np.frombuffer(stream.update(bytes(missing * _WORD_BYTES)), dtype="<u8")
        numbers = (words & np.uint64(keep)).astype(np.int64)
        found.append(numbers[numbers < modulus])
        missing -= found[-1].size
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)
