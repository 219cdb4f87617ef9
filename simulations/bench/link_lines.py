"""What carries payloads between the parties of a bench: the hub, or bare TLS sockets.

Over the hub they go with or without the seals of `Link`; bare sockets show what the machine can
do. A line sends a payload to a party and receives the next one from anyone. A door is all that a
party in another process needs to open its line.
"""

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from cryptography import x509

from federation.errors import PeerLostError
from federation.exchange.grpc_transport import DialConfig, GrpcTransport
from federation.exchange.link import Link, LinkConfig
from federation.exchange.transport import Transport
from federation.protocol.frames import Frame, FrameKind, decode_frame
from federation.protocol.limits import Limits
from federation.protocol.messages import Activations
from parties.config import COORDINATOR
from parties.keys import load_keys, read_roster
from parties.keys.ceremony import ROSTER
from parties.keys.folder import AUTHORITY_CERTIFICATE, TLS_CERTIFICATE, TLS_KEY

TIMEOUT_S: Final = 60.0  # for one payload, on a machine that may be busy
JOB_BYTES: Final = 16
AGREEMENT_BYTES: Final = 32
LIMITS: Final = Limits()
LOOPBACK: Final = "127.0.0.1"


class Line(Protocol):
    """One party's way to the others."""

    def send(self, recipient: str, payload: bytes) -> None:
        """Send a payload to one party."""
        ...

    def receive(self) -> int:
        """Wait for a payload; returns its size."""
        ...

    def close(self) -> None:
        """End the line."""
        ...


class Door(Protocol):
    """Where a party in another process comes in."""

    def open(self, name: str) -> Line:
        """The line of one party."""
        ...


class FrameLine:
    """Frames over a transport, with payloads as they are."""

    def __init__(self, transport: Transport, name: str) -> None:
        self._transport = transport
        self._name = name

    def send(self, recipient: str, payload: bytes) -> None:
        frame = Frame(FrameKind.SEALED, self._name, recipient, 0, payload)
        self._transport.send(frame.encode())

    def receive(self) -> int:
        return len(decode_frame(self._transport.receive(TIMEOUT_S), LIMITS).body)

    def close(self) -> None:
        self._transport.close()


class SealedLine:
    """Messages over a link, sealed from party to party."""

    def __init__(self, link: Link) -> None:
        """Greet everyone first."""
        self._link = link
        self._step = 0
        link.greet()

    def send(self, recipient: str, payload: bytes) -> None:
        self._link.post(recipient, Activations(self._step, 1, (payload,)))
        self._step += 1

    def receive(self) -> int:
        _, message = self._link.receive_any()
        return sum(map(len, message.parts)) if isinstance(message, Activations) else 0

    def close(self) -> None:
        self._link.close()


class TlsLine:
    """A bare TLS socket to whoever is in the middle."""

    def __init__(self, connection: ssl.SSLSocket, size: int) -> None:
        """Expect payloads of `size` bytes."""
        self._connection = connection
        self.received = memoryview(bytearray(size))  # the newest payload

    @property
    def peer(self) -> str:
        """Whose certificate the other end has."""
        certificate = x509.load_der_x509_certificate(self._connection.getpeercert(True) or b"")
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return names.get_values_for_type(x509.DNSName)[0]

    def send(self, recipient: str, payload: bytes | memoryview) -> None:
        del recipient  # there is but one at the other end, and it knows
        self._connection.sendall(payload)

    def receive(self) -> int:
        come, size = 0, len(self.received)
        while come < size:
            count = self._connection.recv_into(self.received[come:])
            if not count:
                raise PeerLostError("the other end closed its socket")
            come += count
        return come

    def close(self) -> None:
        self._connection.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class HubDoor:
    """Into a session at the hub.

    Args:
        keys: folder of everyone's keys and the roster.
        address: host:port of the hub.
        session: 16 bytes.
        tokens: party → 32 bytes.
    """

    keys: Path
    address: str
    session: bytes
    tokens: Mapping[str, bytes] = field(repr=False)

    def dial(self, name: str) -> Transport:
        """A party's transport."""
        return GrpcTransport(
            DialConfig(
                address=self.address,
                name=name,
                tls=load_keys(self.keys / name).tls,
                hub_pin=read_roster(self.keys / ROSTER).pins()[COORDINATOR],
                session=self.session,
                token=self.tokens[name],
                limits=LIMITS,
            )
        )

    def open(self, name: str) -> Line:
        return FrameLine(self.dial(name), name)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedDoor:
    """Into a session at the hub, sealed end to end.

    Args:
        inner: where the frames go.
        members: everyone who greets.
    """

    inner: HubDoor
    members: tuple[str, ...]

    def open(self, name: str) -> Line:
        return self.seal(self.inner.dial(name), name)

    def seal(self, transport: Transport, name: str) -> Line:
        """A line over a transport that was opened already."""
        everyone = read_roster(self.inner.keys / ROSTER).identities()
        config = LinkConfig(
            name=name,
            roster={member: everyone[member] for member in self.members},
            job=bytes(JOB_BYTES),
            agreement=bytes(AGREEMENT_BYTES),
            limits=LIMITS,
            timeout_s=TIMEOUT_S,
        )
        return SealedLine(Link(transport, load_keys(self.inner.keys / name).identity, config))


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsDoor:
    """Into a bare TLS socket.

    Args:
        keys: folder of everyone's keys.
        port: where the one in the middle listens on the loopback.
        size: bytes of a payload.
    """

    keys: Path
    port: int
    size: int

    def open(self, name: str) -> Line:
        bare = socket.create_connection((LOOPBACK, self.port), TIMEOUT_S)
        connection = tls_context(self.keys / name, ssl.PROTOCOL_TLS_CLIENT).wrap_socket(
            bare, server_hostname=COORDINATOR
        )
        return TlsLine(prompt(connection), self.size)


def tls_context(folder: Path, protocol: ssl._SSLMethod) -> ssl.SSLContext:
    """Mutual TLS with the keys of one party."""
    context = ssl.SSLContext(protocol)
    context.load_cert_chain(folder / TLS_CERTIFICATE, folder / TLS_KEY)
    context.load_verify_locations(folder / AUTHORITY_CERTIFICATE)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def prompt(connection: ssl.SSLSocket) -> ssl.SSLSocket:
    """Send at once what there is to send, as gRPC does."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.settimeout(TIMEOUT_S)
    return connection
