"""Unprotected sums: float32 bytes, added in roster order. The baseline of profile `plain`."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from federation.crypto.cipher import (
    FINGERPRINT_BYTES,
    Checked,
    CipherConfig,
    KeyPair,
    Payloads,
    Scheme,
    Shape,
    body_of,
    checked_count,
    checked_number,
    checked_shape,
    checked_values,
    common_shape,
    fingerprint,
)
from federation.crypto.fixed_point import refuse_non_finite
from federation.crypto.masks import PairwiseMasks
from federation.errors import ForeignKeyError, MalformedError, SettingError, TooLargeError

_LABEL_BYTES: Final = 32
_FLOAT: Final = np.dtype("<f4")
CAVEAT: Final = (
    "Nothing is encrypted: the coordinator and the item party read each partner's embedding."
)


class ClearEncryptor:
    """Writes one partner's values down as they are."""

    clipped: Final = 0  # nothing is clipped

    def __init__(self, name: bytes) -> None:
        self._name = name

    def encrypt(self, values: npt.NDArray[np.float32], *, step: int) -> Payloads:
        """Serialise (n, d) values; the step changes nothing."""
        checked_values(values)
        refuse_non_finite(values)
        return (self._name + values.astype(_FLOAT).tobytes(),)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearAdder:
    """Adds one contribution of every partner in float32."""

    config: CipherConfig
    fingerprint: bytes

    def add(self, contributions: Sequence[Payloads], *, shape: Shape) -> Payloads:
        """Add one contribution of every partner, the first one first; see `Adder.add`."""
        checked_number(contributions, parties=self.config.parties)
        return self.add_checked([self.check(each, shape=shape) for each in contributions])

    def check(self, contribution: Payloads, *, shape: Shape) -> Checked:
        """Take one partner's contribution; see `Adder.check`."""
        _read(contribution, self.fingerprint, shape=shape)
        return Checked((contribution[0][FINGERPRINT_BYTES:],), shape)

    def add_checked(self, contributions: Sequence[Checked]) -> Payloads:
        """Add what `check` gave for every partner, the first one first."""
        checked_number(contributions, parties=self.config.parties)
        common_shape(contributions)
        first, *others = (np.frombuffer(each.bodies[0], dtype=_FLOAT) for each in contributions)
        total = first.copy()
        with np.errstate(over="ignore"):  # an infinite sum is refused when it is read
            for values in others:
                total += values
        return (self.fingerprint + total.tobytes(),)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearDecryptor:
    """Reads the sum."""

    fingerprint: bytes

    def decrypt(self, total: Payloads, *, shape: Shape) -> npt.NDArray[np.float32]:
        """Read the sum of every partner's (n, d) values; see `Decryptor.decrypt`."""
        return _read(total, self.fingerprint, shape=shape).astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearCipher:
    """Sums without any protection; the "public key" is a random label of the run."""

    config: CipherConfig

    @property
    def scheme(self) -> Scheme:
        """Which scheme this is."""
        return Scheme.CLEAR

    @property
    def caveat(self) -> str | None:
        """That there is no protection."""
        return CAVEAT

    def key_pair(self) -> KeyPair:
        """Draw a label; there is no secret."""
        public = secrets.token_bytes(_LABEL_BYTES)
        return KeyPair(public=public, fingerprint=self._name(public))

    def encryptor(
        self,
        public: bytes,
        masks: PairwiseMasks | None,
        *,
        rng: np.random.Generator | None = None,
    ) -> ClearEncryptor:
        """Make a partner's end; see `Cipher.encryptor`.

        Raises:
            SettingError: masks were given; floats cannot carry them.
        """
        if masks is not None:
            raise SettingError("clear sums cannot carry pairwise masks; use BFV, or pass no masks")
        return ClearEncryptor(self._name(public))

    def adder(self, public: bytes) -> ClearAdder:
        """Make the hub's end; see `Cipher.adder`."""
        return ClearAdder(config=self.config, fingerprint=self._name(public))

    def decryptor(self, key_pair: KeyPair) -> ClearDecryptor:
        """Make the item party's end.

        Raises:
            ForeignKeyError: the key pair is of another scheme or setting.
        """
        name = self._name(key_pair.public)
        if key_pair.secret is not None or key_pair.fingerprint != name:
            raise ForeignKeyError("the key pair belongs to another scheme or setting")
        return ClearDecryptor(fingerprint=name)

    def _name(self, public: bytes) -> bytes:
        if len(public) != _LABEL_BYTES:
            raise MalformedError(f"the label of a clear run must have {_LABEL_BYTES} bytes")
        return fingerprint(Scheme.CLEAR, self.config, public=public)


def _read(payloads: Payloads, own: bytes, *, shape: Shape) -> npt.NDArray[np.float32]:
    expected = FINGERPRINT_BYTES + checked_shape(shape) * _FLOAT.itemsize
    checked_count(payloads, expected=1)
    if len(payloads[0]) > expected:
        raise TooLargeError(f"{len(payloads[0])} bytes arrived where {expected} are needed")
    body = body_of(payloads[0], own)
    if len(payloads[0]) < expected:
        raise MalformedError(f"{len(payloads[0])} bytes arrived where {expected} are needed")
    values: npt.NDArray[np.float32] = np.frombuffer(body, dtype=_FLOAT).reshape(shape)
    if not np.isfinite(values).all():
        raise MalformedError("a contribution holds a value that is not finite")
    return values
