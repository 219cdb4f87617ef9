"""What every scheme for encrypted sums offers, whatever it protects with.

    Cipher ── key_pair()  → KeyPair     item party: the secret stays inside
           ├─ encryptor() → Encryptor   partner: (n, d) reals → payloads
           ├─ adder()     → Adder       hub: one tuple of payloads a partner → their sum
           └─ decryptor() → Decryptor   item party: the sum → (n, d) reals

Every payload begins with the fingerprint of the key and settings it was made under. Bytes from
a peer are measured and checked before native code sees them; whatever is wrong with them ends
in a PeerError and changes nothing.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from federation.crypto import he
from federation.crypto.ciphertext_shape import VectorShape, check_vector
from federation.crypto.fixed_point import FixedPoint, Rounding
from federation.crypto.masks import PairwiseMasks
from federation.errors import ForeignKeyError, MalformedError, SettingError, TooLargeError

FINGERPRINT_BYTES: Final = 16
_LABEL: Final = b"fedrecall cipher 1"

Shape = tuple[int, int]  # rows (users) and columns of one batch
Payloads = tuple[bytes, ...]  # one partner's contribution, or the sum


class Scheme(Enum):
    """The ways of adding vectors up."""

    BFV = "bfv"  # encrypted, exact
    CKKS = "ckks"  # encrypted, approximate; see its caveat
    CLEAR = "clear"  # not encrypted at all


@dataclass(frozen=True, slots=True, kw_only=True)
class CipherConfig:
    """What all parties of a run must agree on; it is part of every fingerprint."""

    parties: int  # partners whose contributions are added up
    clip: float  # values are clipped to [-clip, clip], in embedding units
    bits: int = 16  # of one fixed-point value: 8, 12 or 16
    rounding: Rounding = Rounding.NEAREST  # each partner's own choice; not in the fingerprint

    def __post_init__(self) -> None:
        if self.parties < 1:
            raise SettingError(f"parties is {self.parties}; at least one must encrypt")
        FixedPoint(clip=self.clip, bits=self.bits)

    @property
    def fixed_point(self) -> FixedPoint:
        """The grid that values are rounded to."""
        return FixedPoint(clip=self.clip, bits=self.bits, rounding=self.rounding)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """A public key as bytes, and the secret key that can only be used, not read."""

    public: bytes = field(repr=False)
    fingerprint: bytes
    secret: he.KeyContext | None = field(repr=False, default=None)  # None: nothing is secret


class Encryptor(Protocol):
    """A partner's end."""

    @property
    def clipped(self) -> int:
        """How many values lay beyond the clip so far."""
        ...

    def encrypt(self, values: npt.NDArray[np.float32], *, step: int) -> Payloads:
        """Protect (n, d) values for one step.

        Raises:
            SettingError: the values are not a finite, non-empty matrix.
            MaskReuseError: the step was encrypted before.
        """
        ...


@dataclass(frozen=True, slots=True)
class Checked:
    """One partner's contribution, as the adder that checked it can add it."""

    bodies: tuple[bytes, ...] = field(repr=False)
    shape: Shape


class Adder(Protocol):
    """The hub's end; it holds no key."""

    def check(self, contribution: Payloads, *, shape: Shape) -> Checked:
        """Take one partner's contribution when it arrives, long before the others may have.

        Raises:
            MalformedError, TooLargeError: it is not what an encryptor makes for that shape.
            ForeignKeyError: it was made under another key or setting.
        """
        ...

    def add_checked(self, contributions: Sequence[Checked]) -> Payloads:
        """Add what `check` gave for every partner, in roster order.

        Raises:
            MalformedError: one is missing, or they are of different shapes.
        """
        ...

    def add(self, contributions: Sequence[Payloads], *, shape: Shape) -> Payloads:
        """Add one contribution of every partner, in roster order.

        Raises:
            MalformedError, TooLargeError: a contribution is missing, or not what an encryptor
                makes for that shape.
            ForeignKeyError: a contribution was made under another key or setting.
        """
        ...


class Decryptor(Protocol):
    """The item party's end."""

    def decrypt(self, total: Payloads, *, shape: Shape) -> npt.NDArray[np.float32]:
        """Open the sum of every partner's (n, d) values.

        Raises:
            MalformedError, TooLargeError: the sum is not what an adder makes for that shape, or
                it shows that masks did not cancel. With few partners and no padding a single sum
                may not show it, so the roster must make sure that all contribute.
            ForeignKeyError: the sum was made under another key or setting.
        """
        ...


class Cipher(Protocol):
    """One scheme under one configuration."""

    @property
    def scheme(self) -> Scheme:
        """Which scheme this is."""
        ...

    @property
    def config(self) -> CipherConfig:
        """What the parties agreed on."""
        ...

    @property
    def caveat(self) -> str | None:
        """What a person who chooses this scheme must be told, or None."""
        ...

    def key_pair(self) -> KeyPair:
        """Draw a fresh key pair."""
        ...

    def encryptor(
        self,
        public: bytes,
        masks: PairwiseMasks | None,
        *,
        rng: np.random.Generator | None = None,
    ) -> Encryptor:
        """Make a partner's end from the item party's public key.

        Args:
            public: what `KeyPair.public` was.
            masks: shared with every other partner. None leaves each contribution readable to
                whoever holds both the secret key and the hub's traffic.
            rng: where stochastic rounding draws from.
        """
        ...

    def adder(self, public: bytes) -> Adder:
        """Make the hub's end from the item party's public key."""
        ...

    def decryptor(self, key_pair: KeyPair) -> Decryptor:
        """Make the item party's end."""
        ...


def fingerprint(scheme: Scheme, config: CipherConfig, *, public: bytes) -> bytes:
    """16 bytes that name a public key together with the settings it is used under."""
    settings = f"{scheme.value}|{config.parties}|{config.clip!r}|{config.bits}".encode()
    parts = (_LABEL, settings, public)
    joined = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    return hashlib.sha256(joined).digest()[:FINGERPRINT_BYTES]


def checked_values(values: npt.NDArray[np.float32]) -> Shape:
    """The shape of a matrix about to be encrypted; raises SettingError if it is none."""
    if values.ndim != 2 or values.size == 0 or values.dtype != np.float32:
        raise SettingError(
            f"values of shape {values.shape} and type {values.dtype} cannot be encrypted; "
            "a non-empty float32 matrix is needed"
        )
    return (values.shape[0], values.shape[1])


def checked_shape(shape: Shape) -> int:
    """How many values a shape has; raises SettingError if it has none."""
    if min(shape) < 1:
        raise SettingError(f"a batch of shape {shape} holds no values")
    return shape[0] * shape[1]


def checked_number(contributions: Sequence[object], *, parties: int) -> None:
    """Refuse anything but one contribution of every party with MalformedError."""
    if len(contributions) != parties:
        raise MalformedError(
            f"{len(contributions)} contributions arrived where {parties} are added up"
        )


def common_shape(contributions: Sequence[Checked]) -> Shape:
    """The shape that all contributions have; raises MalformedError if they differ."""
    shape, *others = {each.shape for each in contributions}
    if others:
        raise MalformedError("the partners disagree on the rows or columns of a step")
    return shape


def checked_count(payloads: Payloads, *, expected: int) -> None:
    """Refuse a contribution of more or fewer ciphertexts than its shape needs.

    Raises:
        MalformedError: too few.
        TooLargeError: too many.
    """
    if len(payloads) > expected:
        raise TooLargeError(f"{len(payloads)} ciphertexts arrived where {expected} are needed")
    if len(payloads) < expected:
        raise MalformedError(f"{len(payloads)} ciphertexts arrived where {expected} are needed")


def body_of(payload: bytes, own: bytes) -> bytes:
    """What follows the fingerprint; raises ForeignKeyError if that is not `own`."""
    if payload[:FINGERPRINT_BYTES] != own:
        raise ForeignKeyError(
            "a ciphertext was made under another key or setting; all parties must use the same "
            "public key, partners, clip and bits"
        )
    return payload[FINGERPRINT_BYTES:]


def checked_bodies(
    payloads: Payloads, *, own: bytes, shape: VectorShape, expected: int
) -> list[bytes]:
    """The ciphertexts of one contribution, each of them fit for native code.

    Raises:
        MalformedError, TooLargeError: their number or the form of one is wrong.
        ForeignKeyError: one was made under another key or setting than `own` names.
    """
    checked_count(payloads, expected=expected)
    bodies = [body_of(payload, own) for payload in payloads]
    for body in bodies:
        check_vector(body, shape)
    return bodies


def own_secret(key_pair: KeyPair, expected: bytes) -> he.KeyContext:
    """The secret of a key pair; raises ForeignKeyError if it is of another scheme or setting."""
    if key_pair.secret is None or key_pair.fingerprint != expected:
        raise ForeignKeyError("the key pair belongs to another scheme or setting")
    return key_pair.secret
