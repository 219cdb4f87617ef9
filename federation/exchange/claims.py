"""What a party says when it dials the hub, what the hub answers, and how it refuses.

Both go in the metadata of a call: pairs of a name and a short value. Everything in them comes
from a peer. Names that end in ``-bin`` have bytes as values, the others text.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, TypeAlias

from federation.errors import (
    CertificateError,
    FederationError,
    MalformedError,
    PeerLostError,
    SecondProcessError,
    SessionOverError,
    TooLargeError,
    UnknownPeerError,
    VersionError,
)
from federation.protocol.frames import NAME

Metadata: TypeAlias = Sequence[tuple[str, str | bytes]]

WIRE_VERSION: Final = "1"  # of everything that crosses between a party and the hub
SESSION_BYTES: Final = 16
TOKEN_BYTES: Final = 32
INSTANCE_BYTES: Final = 16
COUNT_DIGITS: Final = 18
REASON_CHARACTERS: Final = 400
MAX_PARTIES: Final = 256
VERSION_KEY: Final = "fedrecall-version"
PARTY_KEY: Final = "fedrecall-party"
SESSION_KEY: Final = "fedrecall-session-bin"
TOKEN_KEY: Final = "fedrecall-token-bin"  # noqa: S105 - names the field, holds no secret
INSTANCE_KEY: Final = "fedrecall-instance-bin"
ARRIVED_KEY: Final = "fedrecall-arrived"
NAMES_KEY: Final = "fedrecall-parties"
FRAME_KEY: Final = "fedrecall-max-frame"
REFUSAL_KEY: Final = "fedrecall-refusal"

# What the hub may end a connection with for good; anything else that ends it is a break.
REFUSALS: Final[Mapping[str, type[FederationError]]] = MappingProxyType(
    {
        kind.__name__: kind
        for kind in (
            CertificateError,
            MalformedError,
            PeerLostError,
            SecondProcessError,
            SessionOverError,
            TooLargeError,
            UnknownPeerError,
            VersionError,
        )
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Who dials, and into which session.

    Args:
        party: the name it gives itself.
        session: 16 bytes that name the session.
        token: 32 bytes that it got with its order.
        instance: 16 random bytes of its process, so that a second one is noticed.
        arrived: frames it has of this session.
    """

    party: str
    session: bytes
    token: bytes = field(repr=False)
    instance: bytes
    arrived: int

    def to_metadata(self) -> Metadata:
        """The claim as pairs."""
        return (
            (VERSION_KEY, WIRE_VERSION),
            (PARTY_KEY, self.party),
            (SESSION_KEY, self.session),
            (TOKEN_KEY, self.token),
            (INSTANCE_KEY, self.instance),
            (ARRIVED_KEY, str(self.arrived)),
        )

    @classmethod
    def from_metadata(cls, pairs: Metadata, dialler: str) -> "Claim":
        """Read what `dialler`, known by its TLS key, says.

        Raises:
            VersionError: the party speaks another version.
            MalformedError: something is missing or cannot be.
        """
        fields = dict(pairs)
        version = fields.get(VERSION_KEY, "none")
        if version != WIRE_VERSION:
            raise VersionError(
                f"{dialler} speaks version {printable(version, 20)} of the hub's protocol and "
                f"the hub {WIRE_VERSION}: install the same version of fedrecall on both"
            )
        return cls(
            party=_name(fields.get(PARTY_KEY)),
            session=_exactly(fields.get(SESSION_KEY), SESSION_BYTES),
            token=_exactly(fields.get(TOKEN_KEY), TOKEN_BYTES),
            instance=_exactly(fields.get(INSTANCE_KEY), INSTANCE_BYTES),
            arrived=_count(fields.get(ARRIVED_KEY)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """What the hub tells a party that it lets in.

    Args:
        arrived: frames the hub has of it in this session.
        names: every party of the run.
        max_frame_bytes: the hub's limit on a frame.
    """

    arrived: int
    names: tuple[str, ...]
    max_frame_bytes: int

    def to_metadata(self) -> Metadata:
        """The welcome as pairs."""
        return (
            (ARRIVED_KEY, str(self.arrived)),
            (NAMES_KEY, ",".join(self.names)),
            (FRAME_KEY, str(self.max_frame_bytes)),
        )

    @classmethod
    def from_metadata(cls, pairs: Metadata) -> "Welcome":
        """Read a welcome.

        Raises:
            MalformedError: something is missing or cannot be.
        """
        fields = dict(pairs)
        listed = fields.get(NAMES_KEY)
        if not isinstance(listed, str) or listed.count(",") >= MAX_PARTIES:
            raise MalformedError("the hub names no parties")
        return cls(
            arrived=_count(fields.get(ARRIVED_KEY)),
            names=tuple(_name(name) for name in listed.split(",")),
            max_frame_bytes=_count(fields.get(FRAME_KEY)),
        )


def encode_refusal(error: FederationError) -> Metadata:
    """The kind of a refusal as a pair; its sentence travels as the status of the call."""
    kinds = [kind for kind in type(error).__mro__ if kind.__name__ in REFUSALS]
    name = kinds[0].__name__ if kinds else PeerLostError.__name__
    return ((REFUSAL_KEY, name),)


def decode_refusal(pairs: Iterable[tuple[str, str | bytes]], sentence: str) -> FederationError:
    """The error that the hub ended a call with; a `PeerLostError` if it was no refusal.

    Raises:
        MalformedError: the kind is none of `REFUSALS`.
    """
    name = dict(pairs).get(REFUSAL_KEY)
    kind = REFUSALS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise MalformedError("the hub ended the call in a way that this version does not know")
    return kind(printable(sentence, REASON_CHARACTERS))


def is_refusal(pairs: Iterable[tuple[str, str | bytes]]) -> bool:
    """Whether the hub ended a call for good."""
    return REFUSAL_KEY in dict(pairs)


def printable(text: str | bytes, longest: int) -> str:
    """A peer's text, short and without control characters."""
    shown = text if isinstance(text, str) else repr(text)
    return "".join(c if c.isprintable() else " " for c in shown[:longest])


def _name(value: str | bytes | None) -> str:
    if not isinstance(value, str) or NAME.fullmatch(value) is None:
        raise MalformedError("a party that cannot exist is named in a call's metadata")
    return value


def _exactly(value: str | bytes | None, size: int) -> bytes:
    if not isinstance(value, bytes) or len(value) != size:
        raise MalformedError(f"a call's metadata lack a value of {size} bytes")
    return value


def _count(value: str | bytes | None) -> int:
    if not isinstance(value, str) or len(value) > COUNT_DIGITS or not value.isdecimal():
        raise MalformedError("a call's metadata lack a count")
    return int(value)
