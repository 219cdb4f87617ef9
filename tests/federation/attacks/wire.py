"""What attackers are made of: a hub that tampers, and a party that says what it likes."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from federation.crypto.sealing import (
    Identity,
    Introduction,
    Sealer,
    derive_pair_keys,
)
from federation.exchange.link import Link
from federation.exchange.transport import Transport
from federation.protocol.codec import decode_message, encode_message
from federation.protocol.frames import EVERYONE, Frame, FrameKind, decode_frame
from federation.protocol.limits import Limits
from federation.protocol.messages import Greeting, KeyConfirmation, Message
from tests.federation.exchange.line import JOB, Line, identity_of

Tamper = Callable[[bytes], Iterable[bytes]]
LIMITS = Limits()
TIMEOUT_S = 5.0


def honest(frame: bytes) -> Iterable[bytes]:
    return (frame,)


class TamperingTransport:
    """A party's transport when the hub behind it is hostile."""

    def __init__(self, inner: Transport) -> None:
        self.inner = inner
        self.tamper: Tamper = honest
        self.sent: list[bytes] = []
        self.seen: list[bytes] = []  # on their way here, before any tampering
        self._coming: deque[bytes] = deque()

    def send(self, data: bytes) -> None:
        self.sent.append(data)
        self.inner.send(data)

    def receive(self, timeout: float) -> bytes:
        while not self._coming:
            frame = self.inner.receive(timeout)
            self.seen.append(frame)
            self._coming.extend(self.tamper(frame))
        return self._coming.popleft()

    def close(self) -> None:
        self.inner.close()

    def take(self) -> bytes:
        """The next frame on its way to this party, which now does not get it."""
        frame = self.inner.receive(TIMEOUT_S)
        self.seen.append(frame)
        return frame

    def give(self, *frames: bytes) -> None:
        """Frames this party gets before all others."""
        self._coming.extend(frames)


def greeting_in(frame: bytes) -> Greeting:
    """What a greeting frame says."""
    greeting = decode_message(decode_frame(frame, LIMITS).body, LIMITS)
    assert isinstance(greeting, Greeting)
    return greeting


@dataclass(kw_only=True)
class Scene:
    """Joined parties, each behind a hub that may tamper."""

    links: dict[str, Link]
    hubs: dict[str, TamperingTransport]

    def on_the_way(self, sender: str, recipient: str, message: Message) -> bytes:
        """The frame of a posted message, caught before it arrives."""
        self.links[sender].post(recipient, message)
        return self.hubs[recipient].take()


def scene(line: Line | None = None, *, tamper: dict[str, Tamper] | None = None) -> Scene:
    """Parties that have not greeted yet; `tamper` says what each one's hub does."""
    hubs: dict[str, TamperingTransport] = {}

    def wrap(name: str, inner: Transport) -> Transport:
        hubs[name] = TamperingTransport(inner)
        hubs[name].tamper = (tamper or {}).get(name, honest)
        return hubs[name]

    chosen = line or Line()
    settings = {each: getattr(chosen, each) for each in chosen.__dataclass_fields__}
    return Scene(links=Line(**{**settings, "wrap": wrap}).links(), hubs=hubs)


@dataclass
class Puppet:
    """A party that has a place on the roster and keeps to none of the rules.

    It speaks the wire format on its own, without a `Link`.
    """

    name: str
    transport: Transport
    identity: Identity
    ephemeral: Identity = field(default_factory=Identity.generate)
    sealers: dict[str, Sealer] = field(default_factory=dict)

    def greeting(self, agreement: bytes) -> bytes:
        body = encode_message(Greeting(JOB, agreement, self.ephemeral.public))
        return Frame(FrameKind.GREETING, self.name, EVERYONE, 0, body).encode()

    def meet(self, frame: bytes) -> str:
        """Derive keys from a peer's greeting; returns the peer's name."""
        sender, greeting = decode_frame(frame, LIMITS).sender, greeting_in(frame)
        peer = Introduction(sender, identity_of(sender).public, greeting.ephemeral)
        context = greeting.job + greeting.agreement
        keys = derive_pair_keys(self.identity, self.ephemeral, self.name, peer, context=context)
        self.sealers[sender] = Sealer(keys.sending)
        return sender

    def sealed(self, recipient: str, body: bytes) -> bytes:
        """A frame with any body, under the right keys."""
        sealer = self.sealers[recipient]
        header = Frame(FrameKind.SEALED, self.name, recipient, sealer.next_counter, b"").header()
        return header + sealer.seal(body, header)

    def say(self, recipient: str, message: Message) -> None:
        self.transport.send(self.sealed(recipient, encode_message(message)))

    def introduce(self, *peers: str) -> None:
        """Greet and derive keys, but confirm none; peers must greet at the same time."""
        waiting = set(peers)
        while waiting:
            frame = self.transport.receive(TIMEOUT_S)
            if decode_frame(frame, LIMITS).kind is FrameKind.SEALED:
                continue
            if waiting == set(peers):  # the first greeting shows what an own one has to say
                self.transport.send(self.greeting(greeting_in(frame).agreement))
            waiting.discard(self.meet(frame))

    def join(self, *peers: str) -> None:
        """Greet and confirm like an honest party; peers must greet at the same time."""
        self.introduce(*peers)
        for peer in peers:
            self.say(peer, KeyConfirmation())
