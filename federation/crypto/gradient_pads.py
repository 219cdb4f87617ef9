"""Pads: what hides phi in the products a partner sends back.

A pad is a flood and a mask. The mask, uniform modulo the plain modulus, hides what the slots hold.
The flood, a fresh encryption of zero times two random plaintexts, hides the rest of the
ciphertext: the holder of the secret key can compute the noise of a product, and that depends on
phi. For random keys that noise is about 2**45, and below 2**60 whatever phi is (128 ciphertexts
of noise 2**5 times 256 coefficients of 2**39 at most); the flood's is about 2**93.
"""

import secrets
from collections import deque
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from federation.crypto.gradient_config import GradientConfig
from federation.crypto.he_ntt import PLAIN_MODULUS, SLOTS, Cipher, Integers, Plain, PublicRing
from federation.crypto.masks import KEY_BYTES, uniform_numbers

_FLOOD_FACTORS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Pad:
    """What hides one product; used once."""

    flood: Cipher = field(repr=False)
    mask: Plain = field(repr=False)
    sums: Integers = field(repr=False)  # (dim,), of the mask over the users of a ciphertext


class PadSource:
    """Draws pads from a key of this object's own."""

    def __init__(self, config: GradientConfig, ring: PublicRing) -> None:
        self._config = config
        self._ring = ring
        self._key = secrets.token_bytes(KEY_BYTES)
        self._drawn = 0
        self._ready: deque[Pad] = deque()

    def prepare(self, count: int) -> None:
        """Make `count` pads ahead of time."""
        self._ready.extend(self._make() for _ in range(count))

    def take(self) -> Pad:
        """A pad nobody else will get."""
        return self._ready.popleft() if self._ready else self._make()

    def _make(self) -> Pad:
        flood = self._ring.flood([self._uniform() for _ in range(_FLOOD_FACTORS)])
        mask = self._uniform()
        centred = np.where(mask > PLAIN_MODULUS // 2, mask - PLAIN_MODULUS, mask)
        return Pad(
            flood=flood, mask=self._ring.ring.encode(centred), sums=self._config.sum_users(mask)
        )

    def _uniform(self) -> Integers:
        self._drawn += 1
        return uniform_numbers(self._key, self._drawn, count=SLOTS, modulus=PLAIN_MODULUS)
