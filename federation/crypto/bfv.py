"""Exact encrypted sums: fixed point, packing and pairwise masks under TenSEAL's BFV.

The modulus has one prime for data, `_ROOM_BITS` wider than the plain modulus, and one prime used
at encryption only. A fresh ciphertext then carries little more than rounding noise, of deviation
sqrt(degree * 2/3 / 12) = 15, and the sum of K of them 15 * sqrt(K). Decryption is exact while
the noise is below 2**(room - 1) = 2048: 68 deviations for 4 partners, 48 for 8, 17 for 64.
Both primes stay far below the 109 bits that 128-bit security allows at degree 4096.

Source: Fan & Vercauteren (IACR ePrint 2012/144); homomorphicencryption.org standard, table 1.
"""

from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from federation.crypto import he
from federation.crypto.adding import CiphertextAdder
from federation.crypto.cipher import (
    CipherConfig,
    KeyPair,
    Payloads,
    Scheme,
    Shape,
    checked_bodies,
    checked_shape,
    checked_values,
    fingerprint,
    own_secret,
)
from federation.crypto.ciphertext_shape import (
    VectorShape,
    check_public_context,
    vector_shape,
)
from federation.crypto.masks import PairwiseMasks
from federation.crypto.packing import Packing
from federation.errors import SettingError

_DEGREE: Final = 4096
_ROOM_BITS: Final = 12
_SPECIAL_PRIME_BITS: Final = 54


def bfv_parameters(packing: Packing) -> he.BfvParameters:
    """The scheme whose plaintexts hold that packing."""
    data_bits = packing.modulus.bit_length() + _ROOM_BITS
    return he.BfvParameters(
        degree=packing.degree,
        modulus_bits=(data_bits, _SPECIAL_PRIME_BITS),
        plain_modulus=packing.modulus,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setting:
    """What follows from the configuration and is the same for every party."""

    config: CipherConfig
    packing: Packing
    parameters: he.BfvParameters
    shape: VectorShape
    fingerprint: bytes

    @classmethod
    def of(cls, config: CipherConfig, *, public: bytes) -> Self:
        packing = Packing.choose(parties=config.parties, bits=config.bits, degree=_DEGREE)
        parameters = bfv_parameters(packing)
        return cls(
            config=config,
            packing=packing,
            parameters=parameters,
            shape=vector_shape(parameters),
            fingerprint=fingerprint(Scheme.BFV, config, public=public),
        )

    def load(self, public: bytes) -> he.PublicContext:
        check_public_context(public, self.parameters)
        return he.PublicContext.load(public, parameters=self.parameters)

    def bodies(self, payloads: Payloads, *, count: int) -> list[bytes]:
        """The checked ciphertexts of one contribution of `count` values."""
        return checked_bodies(
            payloads,
            own=self.fingerprint,
            shape=self.shape,
            expected=self.packing.ciphertexts(count),
        )


class BfvEncryptor:
    """Rounds, packs, masks and encrypts one partner's values."""

    def __init__(
        self,
        setting: _Setting,
        context: he.PublicContext,
        masks: PairwiseMasks | None,
        rng: np.random.Generator | None,
    ) -> None:
        self._setting = setting
        self._context = context
        self._masks = masks
        self._rng = rng
        self._clipped = 0

    @property
    def clipped(self) -> int:
        """How many values lay beyond the clip so far."""
        return self._clipped

    def encrypt(self, values: npt.NDArray[np.float32], *, step: int) -> Payloads:
        """Protect (n, d) values for one step; see `Encryptor.encrypt`."""
        checked_values(values)
        encoding = self._setting.config.fixed_point.encode(values, rng=self._rng)
        slots = self._masked(self._setting.packing.pack(encoding.levels), step)
        self._clipped += encoding.clipped
        return tuple(self._setting.fingerprint + self._context.encrypt(row) for row in slots)

    def _masked(self, slots: npt.NDArray[np.int64], step: int) -> npt.NDArray[np.int64]:
        modulus = self._setting.packing.modulus
        if self._masks is not None:
            slots = slots + self._masks.mask(step, slots.size, modulus).reshape(slots.shape)
            np.subtract(slots, modulus, out=slots, where=slots >= modulus)
        # SEAL encodes residues from -t/2 to t/2.
        return np.where(slots > modulus // 2, slots - modulus, slots)


@dataclass(frozen=True, slots=True, kw_only=True)
class BfvDecryptor:
    """Opens the sum with the secret key."""

    setting: _Setting
    context: he.KeyContext = field(repr=False)

    def decrypt(self, total: Payloads, *, shape: Shape) -> npt.NDArray[np.float32]:
        """Open the sum of every partner's (n, d) values; see `Decryptor.decrypt`."""
        setting = self.setting
        count = checked_shape(shape)
        bodies = setting.bodies(total, count=count)
        slots = np.stack([self.context.decrypt_integers(body) for body in bodies])
        slots = np.where(slots < 0, slots + setting.packing.modulus, slots)
        levels = setting.packing.unpack(slots, count=count)
        fixed_point = setting.config.fixed_point
        return fixed_point.decode(levels, parties=setting.config.parties).reshape(shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class BfvCipher:
    """Exact sums under BFV: the default.

    Raises:
        GuardBitsError: the packed fields cannot hold the sum of that many partners.
    """

    config: CipherConfig

    def __post_init__(self) -> None:
        Packing.choose(parties=self.config.parties, bits=self.config.bits, degree=_DEGREE)

    @property
    def scheme(self) -> Scheme:
        """Which scheme this is."""
        return Scheme.BFV

    @property
    def caveat(self) -> str | None:
        """Nothing beyond what THREATS says of every scheme."""
        return None

    def key_pair(self) -> KeyPair:
        """Draw a fresh key pair."""
        parameters = _Setting.of(self.config, public=b"").parameters
        secret = he.KeyContext.generate(parameters)
        public = secret.public_bytes()
        name = fingerprint(Scheme.BFV, self.config, public=public)
        return KeyPair(public=public, fingerprint=name, secret=secret)

    def encryptor(
        self,
        public: bytes,
        masks: PairwiseMasks | None,
        *,
        rng: np.random.Generator | None = None,
    ) -> BfvEncryptor:
        """Make a partner's end; see `Cipher.encryptor`.

        Raises:
            SettingError: the masks are shared with more or fewer than all other partners.
            MalformedError, TooLargeError, ForeignKeyError: the public key is refused.
        """
        others = self.config.parties - 1
        if masks is not None and len(masks.keys) != others:
            raise SettingError(
                f"masks are shared with {len(masks.keys)} partners where there are {others} others"
            )
        setting = _Setting.of(self.config, public=public)
        return BfvEncryptor(setting, setting.load(public), masks, rng)

    def adder(self, public: bytes) -> CiphertextAdder:
        """Make the hub's end; see `Cipher.adder`."""
        setting = _Setting.of(self.config, public=public)
        return CiphertextAdder(setting=setting, context=setting.load(public))

    def decryptor(self, key_pair: KeyPair) -> BfvDecryptor:
        """Make the item party's end.

        Raises:
            ForeignKeyError: the key pair is of another scheme or setting.
        """
        setting = _Setting.of(self.config, public=key_pair.public)
        secret = own_secret(key_pair, setting.fingerprint)
        return BfvDecryptor(setting=setting, context=secret)
