"""Pair keys and sealed bodies: what keeps a frame secret, whole, new and in order.

Every pair of parties derives its keys from the four X25519 agreements between their long-term
identities, which stand on the roster, and keys made for this session alone. The identities
authenticate both ends. The session's keys see to it that a frame of an earlier session never opens
again, and that an identity stolen later opens nothing recorded before. The mixed agreements see to
it that a stolen identity does not let others pose as honest parties towards its owner.

What both ends must agree on (run, settings, roster) goes into the keys too, so a hub that changes
a greeting only makes the two ends derive different keys, and the first sealed frame is refused.

Source: the handshake KK of the Noise protocol framework (Perrin, 2018), with one derivation for
all agreements.
"""

from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from federation.errors import MalformedError, ReplayedError, TamperedError

KEY_BYTES: Final = 32
TAG_BYTES: Final = 16
LABEL: Final = b"fedrecall pair keys 2"


class Identity:
    """A long-term X25519 key of one party; the public half stands on the roster."""

    def __init__(self, private: X25519PrivateKey) -> None:
        self._private = private

    @classmethod
    def generate(cls) -> "Identity":
        """Make a fresh key."""
        return cls(X25519PrivateKey.generate())

    @property
    def public(self) -> bytes:
        """32 bytes, safe to show."""
        return self._private.public_key().public_bytes_raw()

    def agree(self, peer: bytes) -> bytes:
        """The X25519 agreement with a peer's public key.

        Raises:
            MalformedError: the peer's key has the wrong length or a small order.
        """
        try:
            return self._private.exchange(X25519PublicKey.from_public_bytes(peer))
        except ValueError:
            raise MalformedError("a public key of 32 bytes and full order is needed") from None


@dataclass(frozen=True, slots=True)
class PairKeys:
    """The keys two parties share for one session; each direction has its own."""

    sending: bytes = field(repr=False)
    receiving: bytes = field(repr=False)
    mask: bytes = field(repr=False)  # seeds the masks of two partners


@dataclass(frozen=True, slots=True)
class Introduction:
    """What one end of a pair shows of itself: its name and both public keys."""

    name: str
    identity: bytes
    ephemeral: bytes

    def transcript(self) -> bytes:
        """Unambiguous bytes that bind the derived keys to this end."""
        name = self.name.encode()
        return bytes([len(name)]) + name + self.identity + self.ephemeral


def derive_pair_keys(
    identity: Identity, ephemeral: Identity, own: str, peer: Introduction, *, context: bytes
) -> PairKeys:
    """Derive the keys of `own` and `peer` for one session (HKDF-SHA-256, RFC 5869).

    Args:
        identity: own long-term key.
        ephemeral: own key of this session.
        own: own name.
        peer: the other end; its identity must come from the roster, not from the network.
        context: what both ends must agree on, and derive different keys otherwise.

    Raises:
        MalformedError: a public key of the peer is unusable.
    """
    mine = Introduction(own, identity.public, ephemeral.public)
    first, second = sorted((mine, peer), key=lambda end: end.name)
    mixed = (ephemeral.agree(peer.identity), identity.agree(peer.ephemeral))
    # Both ends put the agreement with the first end's session key first.
    crossed = mixed if mine is first else mixed[::-1]
    secret = ephemeral.agree(peer.ephemeral) + identity.agree(peer.identity) + b"".join(crossed)
    info = LABEL + first.transcript() + second.transcript()
    derived = HKDF(SHA256(), 3 * KEY_BYTES, salt=context, info=info).derive(secret)
    upward, downward, mask = (derived[i * KEY_BYTES :][:KEY_BYTES] for i in range(3))
    if mine is first:
        return PairKeys(upward, downward, mask)
    return PairKeys(downward, upward, mask)


def _nonce(counter: int) -> bytes:
    return counter.to_bytes(12, "big")


class Sealer:
    """Seals bodies to one peer; every body has the next number."""

    def __init__(self, key: bytes) -> None:
        self._cipher = ChaCha20Poly1305(key)
        self._next = 0

    @property
    def next_counter(self) -> int:
        """The number of the next body."""
        return self._next

    def seal(self, body: bytes, header: bytes) -> bytes:
        """Encrypt and authenticate `body`; `header` is authenticated with it."""
        sealed = self._cipher.encrypt(_nonce(self._next), body, header)
        self._next += 1
        return sealed


class Opener:
    """Opens bodies of one peer, each number exactly once and in order."""

    def __init__(self, key: bytes) -> None:
        self._cipher = ChaCha20Poly1305(key)
        self._next = 0

    def open(self, counter: int, sealed: bytes, header: bytes) -> bytes:
        """Authenticate and decrypt a body.

        Raises:
            ReplayedError: the number was seen before, or bodies before it are missing.
            TamperedError: body or header are not what the peer sealed. Nothing has changed.
        """
        if counter != self._next:
            raise ReplayedError(f"frame {counter} arrived where frame {self._next} was due")
        try:
            body = self._cipher.decrypt(_nonce(counter), sealed, header)
        except InvalidTag:
            raise TamperedError(f"frame {counter} fails its authentication") from None
        self._next += 1
        return body
