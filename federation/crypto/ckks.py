"""Approximate encrypted sums under TenSEAL's CKKS, kept for comparison.

Values are clipped and encrypted as reals, one a slot. There is no modulus a uniform mask could
vanish under, so this scheme takes no pairwise masks: hub and item party together can read every
single contribution.

Source: Cheon, Kim, Kim & Song (ASIACRYPT 2017); the attack in the caveat: Li & Micciancio
(EUROCRYPT 2021).
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
from federation.crypto.fixed_point import refuse_non_finite
from federation.crypto.masks import PairwiseMasks
from federation.errors import MalformedError, SettingError

_PARAMETERS: Final = he.CkksParameters(degree=4096, modulus_bits=(40, 60), scale_bits=32)
# Sums must stay below half the data prime over the scale.
_LARGEST_SUM: Final = 2.0 ** (_PARAMETERS.modulus_bits[0] - _PARAMETERS.scale_bits - 2)
_TOLERANCE: Final = 1e-3  # far above the error of a sum, some 1e-6
CAVEAT: Final = (
    "CKKS is approximate, and its decrypted output carries the noise of the key: two ciphertexts "
    "with what they decrypt to give back the whole secret key. It cannot use pairwise masks, so "
    "the coordinator and the item party together can read each partner's embedding. Use it to "
    "compare, and BFV to protect."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setting:
    """What follows from the configuration and is the same for every party."""

    config: CipherConfig
    shape: VectorShape
    fingerprint: bytes

    @classmethod
    def of(cls, config: CipherConfig, *, public: bytes) -> Self:
        return cls(
            config=config,
            shape=vector_shape(_PARAMETERS),
            fingerprint=fingerprint(Scheme.CKKS, config, public=public),
        )

    def load(self, public: bytes) -> he.PublicContext:
        check_public_context(public, _PARAMETERS)
        return he.PublicContext.load(public, parameters=_PARAMETERS)

    def bodies(self, payloads: Payloads, *, count: int) -> list[bytes]:
        """The checked ciphertexts of one contribution of `count` values."""
        return checked_bodies(
            payloads, own=self.fingerprint, shape=self.shape, expected=_ciphertexts(count)
        )


class CkksEncryptor:
    """Clips and encrypts one partner's values."""

    def __init__(self, setting: _Setting, context: he.PublicContext) -> None:
        self._setting = setting
        self._context = context
        self._clipped = 0

    @property
    def clipped(self) -> int:
        """How many values lay beyond the clip so far."""
        return self._clipped

    def encrypt(self, values: npt.NDArray[np.float32], *, step: int) -> Payloads:
        """Protect (n, d) values; the step changes nothing, for there is no mask."""
        checked_values(values)
        refuse_non_finite(values)
        clip = self._setting.config.clip
        padded = np.zeros((_ciphertexts(values.size), _PARAMETERS.slots))
        padded.reshape(-1)[: values.size] = np.clip(values, -clip, clip).reshape(-1)
        self._clipped += int(np.count_nonzero(np.abs(values) > clip))
        return tuple(self._setting.fingerprint + self._context.encrypt(row) for row in padded)


@dataclass(frozen=True, slots=True, kw_only=True)
class CkksDecryptor:
    """Opens the sum with the secret key."""

    setting: _Setting
    context: he.KeyContext = field(repr=False)

    def decrypt(self, total: Payloads, *, shape: Shape) -> npt.NDArray[np.float32]:
        """Open the sum of every partner's (n, d) values; see `Decryptor.decrypt`."""
        count = checked_shape(shape)
        bodies = self.setting.bodies(total, count=count)
        reals = np.concatenate([self.context.decrypt_reals(body) for body in bodies])
        reach = self.setting.config.parties * self.setting.config.clip + _TOLERANCE
        if not np.isfinite(reals).all() or np.abs(reals).max() > reach:
            raise MalformedError("a sum lies beyond what the partners can reach")
        return reals[:count].astype(np.float32).reshape(shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class CkksCipher:
    """Approximate sums under CKKS.

    Raises:
        SettingError: the largest possible sum is beyond what the parameters can hold.
    """

    config: CipherConfig

    def __post_init__(self) -> None:
        if self.config.parties * self.config.clip > _LARGEST_SUM:
            raise SettingError(
                f"{self.config.parties} partners with clip {self.config.clip} can sum to more "
                f"than {_LARGEST_SUM:g}, which CKKS would wrap; use a smaller clip"
            )

    @property
    def scheme(self) -> Scheme:
        """Which scheme this is."""
        return Scheme.CKKS

    @property
    def caveat(self) -> str | None:
        """Why this scheme protects less than BFV."""
        return CAVEAT

    def key_pair(self) -> KeyPair:
        """Draw a fresh key pair."""
        secret = he.KeyContext.generate(_PARAMETERS)
        public = secret.public_bytes()
        name = fingerprint(Scheme.CKKS, self.config, public=public)
        return KeyPair(public=public, fingerprint=name, secret=secret)

    def encryptor(
        self,
        public: bytes,
        masks: PairwiseMasks | None,
        *,
        rng: np.random.Generator | None = None,
    ) -> CkksEncryptor:
        """Make a partner's end; see `Cipher.encryptor`.

        Raises:
            SettingError: masks were given; reals cannot carry them.
            MalformedError, TooLargeError, ForeignKeyError: the public key is refused.
        """
        if masks is not None:
            raise SettingError("CKKS cannot carry pairwise masks; use BFV, or pass no masks")
        setting = _Setting.of(self.config, public=public)
        return CkksEncryptor(setting, setting.load(public))

    def adder(self, public: bytes) -> CiphertextAdder:
        """Make the hub's end; see `Cipher.adder`."""
        setting = _Setting.of(self.config, public=public)
        return CiphertextAdder(setting=setting, context=setting.load(public))

    def decryptor(self, key_pair: KeyPair) -> CkksDecryptor:
        """Make the item party's end.

        Raises:
            ForeignKeyError: the key pair is of another scheme or setting.
        """
        setting = _Setting.of(self.config, public=key_pair.public)
        secret = own_secret(key_pair, setting.fingerprint)
        return CkksDecryptor(setting=setting, context=secret)


def _ciphertexts(count: int) -> int:
    return -(-count // _PARAMETERS.slots)
