"""A party's line to all others: messages in, sealed frames out, and the other way round.

A `Link` has one owner thread. What it refuses raises a `PeerError` and changes nothing, so the
owner may go on waiting for the frame that was due.
"""

import hmac
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from federation.crypto.sealing import (
    TAG_BYTES,
    Identity,
    Introduction,
    Opener,
    PairKeys,
    Sealer,
    derive_pair_keys,
)
from federation.errors import (
    MalformedError,
    OutOfTurnError,
    PeerLostError,
    TooLargeError,
    UnknownPeerError,
)
from federation.exchange.traffic import Traffic
from federation.exchange.transport import Transport
from federation.protocol.codec import decode_message, encode_message
from federation.protocol.frames import EVERYONE, Frame, FrameKind, decode_frame
from federation.protocol.limits import Limits
from federation.protocol.messages import Greeting, Message, Stopped

Expected = TypeVar("Expected", bound=Message)
GREETING_COUNTER: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkConfig:
    """Who a party is and whom it talks to."""

    name: str
    roster: Mapping[str, bytes]  # every party of the run, self included → public identity
    job: bytes  # 16 bytes, names the run
    agreement: bytes  # 32 bytes, digest of the settings all parties must share
    limits: Limits = field(default_factory=Limits)
    timeout_s: float = 600.0  # how long a silent peer is waited for


@dataclass(slots=True)
class _Pair:
    keys: PairKeys = field(repr=False)
    sealer: Sealer = field(repr=False)
    opener: Opener = field(repr=False)
    inbox: deque[Message] = field(default_factory=deque, repr=False)


class Link:
    """Sends and receives messages of one party."""

    def __init__(self, transport: Transport, identity: Identity, config: LinkConfig) -> None:
        """Prepare a link; `greet` must run before anything else.

        Raises:
            UnknownPeerError: the party's own name or key is not the one on the roster.
        """
        if config.roster.get(config.name) != identity.public:
            raise UnknownPeerError(f"the roster has another key for {config.name}")
        self._transport = transport
        self._identity = identity
        self._config = config
        self._pairs: dict[str, _Pair] = {}
        self._early: list[Frame] = []
        self.traffic = Traffic()

    @property
    def name(self) -> str:
        """This party's name."""
        return self._config.name

    @property
    def job(self) -> bytes:
        """The run this link belongs to, 16 bytes."""
        return self._config.job

    def greet(self) -> None:
        """Exchange greetings with every party and derive all pair keys.

        Raises:
            MalformedError: a greeting cannot be used.
            OutOfTurnError: a party runs another job or other settings.
            PeerLostError: a party did not greet in time.
        """
        ephemeral = Identity.generate()
        greeting = Greeting(self._config.job, self._config.agreement, ephemeral.public)
        frame = Frame(
            FrameKind.GREETING,
            self.name,
            EVERYONE,
            GREETING_COUNTER,
            encode_message(greeting),
        )
        self._transport.send(frame.encode())
        missing = set(self._config.roster) - {self.name}
        while missing:
            frame = self._next_frame()
            if frame.kind is FrameKind.SEALED:
                self._hold(frame)  # a faster peer has every greeting already
                continue
            self._meet(frame, ephemeral)
            missing.discard(frame.sender)
        for early in self._early:
            self._take(early)
        self._early.clear()

    def mask_key(self, peer: str) -> bytes:
        """The 32 bytes that seed the masks shared with `peer`, for this session only."""
        return self._pair(peer).keys.mask

    def post(self, recipient: str, message: Message) -> None:
        """Seal a message to one party and send it."""
        sealer = self._pair(recipient).sealer
        header = Frame(FrameKind.SEALED, self.name, recipient, sealer.next_counter, b"").header()
        body = encode_message(message)
        size = len(header) + len(body) + TAG_BYTES
        if size > self._config.limits.max_frame_bytes:
            raise TooLargeError(
                f"{type(message).__name__} needs a frame of {size} bytes; "
                f"the limit is {self._config.limits.max_frame_bytes}"
            )
        self._transport.send(header + sealer.seal(body, header))
        self.traffic.count(message, size)

    def receive(self, sender: str, *kinds: type[Expected]) -> Expected:
        """Wait for the next message of `sender`, which must be one of `kinds`.

        Raises:
            OutOfTurnError: it is another one.
            PeerLostError: the sender stopped, or was silent for too long.
            PeerError: a frame was refused.
        """
        inbox = self._pair(sender).inbox
        while not inbox:
            self._take(self._next_frame())
        message = inbox[0]
        if not isinstance(message, kinds):
            expected = " or ".join(kind.__name__ for kind in kinds)
            raise OutOfTurnError(
                f"{sender} sent {type(message).__name__} where {expected} was due"
            )
        inbox.popleft()
        return message

    def receive_any(self) -> tuple[str, Message]:
        """Wait for the next message of anyone; returns its sender and the message."""
        while True:
            for name, pair in self._pairs.items():
                if pair.inbox:
                    return name, pair.inbox.popleft()
            self._take(self._next_frame())

    def stop(self, reason: str) -> None:
        """Tell every party that this one cannot go on; never raises for a lost peer."""
        for name in self._pairs:
            try:
                self.post(name, Stopped(reason[:200]))
            except PeerLostError:
                continue

    def close(self) -> None:
        """Close the transport."""
        self._transport.close()

    def _pair(self, peer: str) -> _Pair:
        try:
            return self._pairs[peer]
        except KeyError:
            raise UnknownPeerError(f"{self.name} has no keys with {peer}") from None

    def _next_frame(self) -> Frame:
        frame = decode_frame(self._transport.receive(self._config.timeout_s), self._config.limits)
        if frame.sender not in self._config.roster or frame.sender == self.name:
            raise UnknownPeerError(f"{frame.sender} is no peer of {self.name}")
        if frame.recipient not in (self.name, EVERYONE):
            raise UnknownPeerError(f"a frame for {frame.recipient} came to {self.name}")
        return frame

    def _meet(self, frame: Frame, ephemeral: Identity) -> None:
        greeting = decode_message(frame.body, self._config.limits)
        if not isinstance(greeting, Greeting):
            raise MalformedError(f"{frame.sender} greets with {type(greeting).__name__}")
        if frame.sender in self._pairs:
            raise OutOfTurnError(f"{frame.sender} greeted twice")
        if not hmac.compare_digest(greeting.job, self._config.job):
            raise OutOfTurnError(f"{frame.sender} runs another job")
        if not hmac.compare_digest(greeting.agreement, self._config.agreement):
            raise OutOfTurnError(f"{frame.sender} runs with other settings than {self.name}")
        peer = Introduction(frame.sender, self._config.roster[frame.sender], greeting.ephemeral)
        keys = derive_pair_keys(self._identity, ephemeral, self.name, peer, job=self._config.job)
        self._pairs[frame.sender] = _Pair(keys, Sealer(keys.sending), Opener(keys.receiving))

    def _hold(self, frame: Frame) -> None:
        if len(self._early) >= self._config.limits.max_stashed_frames:
            raise TooLargeError("too many frames arrived before all parties greeted")
        self._early.append(frame)

    def _take(self, frame: Frame) -> None:
        if frame.kind is not FrameKind.SEALED or frame.recipient != self.name:
            raise OutOfTurnError(f"{frame.sender} sent an open frame after its greeting")
        pair = self._pair(frame.sender)
        if len(pair.inbox) >= self._config.limits.max_stashed_frames:
            raise TooLargeError(f"{frame.sender} sends faster than its turn comes")
        body = pair.opener.open(frame.counter, frame.body, frame.header())
        message = decode_message(body, self._config.limits)
        if isinstance(message, Stopped):
            raise PeerLostError(f"{frame.sender} stopped: {message.reason}")
        pair.inbox.append(message)
