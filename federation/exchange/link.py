"""A party's line to all others: messages in, sealed frames out, and the other way round.

Rules:
1. A `Link` has one owner thread. What it refuses raises a `PeerError` and changes nothing, so the
   owner may go on waiting for the frame that was due.
2. A party greets everyone first, and then confirms its keys to every party whose greeting it has.
   A sealed frame from a party that has not greeted is refused: transports keep the order.
3. `greet` ends when every party has confirmed the keys. So nothing of substance is ever sealed
   with keys that a hub has spoilt, and pairs that only share a mask know it to be the same.
4. A party that fails tells all others. If it has not met all of them yet, it greets, and gives
   those it has no keys with `STOP_GRACE_S` to greet: they would otherwise wait for it in vain.
5. What is not authentic is never kept. What is, waits for its turn within limits for every peer.
"""

import hashlib
import hmac
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, TypeVar

from federation.crypto.sealing import (
    TAG_BYTES,
    Identity,
    Introduction,
    Opener,
    Sealer,
    derive_pair_keys,
)
from federation.errors import (
    MalformedError,
    OutOfTurnError,
    PeerError,
    PeerLostError,
    SettingError,
    UnknownPeerError,
)
from federation.exchange.pair import Pair
from federation.exchange.traffic import Release, Released, Traffic, nothing
from federation.exchange.transport import Transport
from federation.protocol.codec import decode_message, encode_message
from federation.protocol.frames import (
    EVERYONE,
    GREETING_COUNTER,
    Frame,
    FrameKind,
    decode_frame,
)
from federation.protocol.limits import Limits
from federation.protocol.messages import Greeting, KeyConfirmation, Message, Stopped

Expected = TypeVar("Expected", bound=Message)
REASON_CHARACTERS: Final = 200
STOP_GRACE_S: Final = 2.0  # parties of one run start within their timeout, most of them at once


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkConfig:
    """Who a party is and whom it talks to."""

    name: str
    roster: Mapping[str, bytes]  # every party of the run, self included → public identity
    job: bytes  # 16 bytes, names the run
    agreement: bytes  # 32 bytes, digest of the settings all parties must share
    limits: Limits = field(default_factory=Limits)
    timeout_s: float = 600.0  # how long a silent peer is waited for


class Link:
    """Sends and receives messages of one party."""

    def __init__(
        self,
        transport: Transport,
        identity: Identity,
        config: LinkConfig,
        *,
        released: Released = nothing,
    ) -> None:
        """Prepare a link; `greet` must run before anything else.

        Args:
            transport: what carries frames.
            identity: this party's long-term key.
            config: who it is and whom it talks to.
            released: told of every frame before it is handed to the transport, which it never is
                if this raises.

        Raises:
            UnknownPeerError: the party's own name or key is not the one on the roster.
        """
        if config.roster.get(config.name) != identity.public:
            raise UnknownPeerError(f"the roster has another key for {config.name}")
        self._transport = transport
        self._identity = identity
        self._config = config
        self._released = released
        self._agreement = _agreement(config)
        self._ephemeral: Identity | None = None  # held from the own greeting to the last peer's
        self._pairs: dict[str, Pair] = {}
        self._greeted: set[str] = set()  # whose greeting came, accepted or not
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
        """Exchange greetings with every party, derive all pair keys and confirm them.

        After a refusal it may be called again, and goes on where it was.

        Raises:
            MalformedError: a greeting cannot be used.
            OutOfTurnError: a party runs another job, other settings or another roster, or sent
                something else than was due.
            TamperedError: a greeting was changed on its way; only a new session can help.
            PeerLostError: a party did not greet in time.
        """
        if not self._unconfirmed():
            return
        if self._ephemeral is None:
            self._introduce()
        while rest := self._unconfirmed():
            self._accept(self._next_frame(rest))
        self._ephemeral = None

    def mask_key(self, peer: str) -> bytes:
        """The 32 bytes that seed the masks shared with `peer`, for this session only."""
        return self._pair(peer).keys.mask

    def post(self, recipient: str, message: Message) -> None:
        """Seal a message to one party and send it.

        Raises:
            SettingError: it is longer than a frame may be; nothing is sent.
            PeerLostError: the transport cannot take it.
        """
        sealer = self._pair(recipient).sealer
        header = Frame(FrameKind.SEALED, self.name, recipient, sealer.next_counter, b"").header()
        body = encode_message(message)
        size = len(header) + len(body) + TAG_BYTES
        if size > self._config.limits.max_frame_bytes:
            raise SettingError(
                f"{type(message).__name__} needs a frame of {size} bytes where "
                f"{self._config.limits.max_frame_bytes} are allowed; raise exchange.max_frame_mib"
            )
        self._released(Release.of(message, recipient, size))
        self._transport.send(header + sealer.seal(body, header))
        self.traffic.count(message, size)

    def receive(self, sender: str, *kinds: type[Expected]) -> Expected:
        """Wait for the next message of `sender`, which must be one of `kinds`.

        Raises:
            OutOfTurnError: it is another one, which is dropped.
            PeerLostError: the sender stopped, or was silent for too long.
            PeerError: a frame was refused.
        """
        pair = self._pair(sender)
        while not pair.inbox:
            self._accept(self._next_frame([sender]))
        message = pair.pop()
        if not isinstance(message, kinds):
            expected = " or ".join(kind.__name__ for kind in kinds)
            raise OutOfTurnError(
                f"{sender} sent {type(message).__name__} where {expected} was due"
            )
        return message

    def receive_any(self) -> tuple[str, Message]:
        """Wait for the next message of anyone; returns its sender and the message."""
        while True:
            for name, pair in self._pairs.items():
                if pair.inbox:
                    return name, pair.pop()
            self._accept(self._next_frame(self._pairs))

    def stop(self, reason: str) -> None:
        """Tell every party that this one cannot go on; never raises for a lost peer."""
        if self._ephemeral is None and not self._pairs:
            with suppress(PeerLostError):  # it failed before it met anybody
                self._introduce()
        if self._ephemeral is not None:
            self._meet_the_rest()
        printable = "".join(c if c.isprintable() else " " for c in reason[:REASON_CHARACTERS])
        for name in self._pairs:
            with suppress(PeerLostError):
                self.post(name, Stopped(printable))

    def _meet_the_rest(self) -> None:
        """Take the greetings that are still out, as far as they come soon."""
        ends = time.monotonic() + STOP_GRACE_S
        peers = self._config.roster.keys() - {self.name}
        while (rest := peers - self._greeted) and (left := ends - time.monotonic()) > 0:
            try:
                with suppress(PeerError):  # why this party stops is known by now
                    frame = self._next_frame(rest, timeout=min(left, self._config.timeout_s))
                    with suppress(PeerLostError):  # others may have stopped too
                        self._accept(frame)
            except PeerLostError:
                return

    def close(self) -> None:
        """Close the transport."""
        self._transport.close()

    def _pair(self, peer: str) -> Pair:
        try:
            return self._pairs[peer]
        except KeyError:
            raise UnknownPeerError(f"{self.name} has no keys with {peer}") from None

    def _next_frame(self, awaited: Iterable[str], *, timeout: float | None = None) -> Frame:
        wait = self._config.timeout_s if timeout is None else timeout
        try:
            data = self._transport.receive(wait)
        except PeerLostError as error:
            names = ", ".join(sorted(awaited))
            raise PeerLostError(f"{self.name} waited for {names}: {error}") from error
        frame = decode_frame(data, self._config.limits)
        if frame.sender not in self._config.roster or frame.sender == self.name:
            raise UnknownPeerError(f"{frame.sender} is no peer of {self.name}")
        if frame.recipient not in (self.name, EVERYONE):
            raise UnknownPeerError(f"a frame for {frame.recipient} came to {self.name}")
        return frame

    def _unconfirmed(self) -> set[str]:
        confirmed = {name for name, pair in self._pairs.items() if pair.confirmed}
        return self._config.roster.keys() - {self.name} - confirmed

    def _introduce(self) -> None:
        ephemeral = Identity.generate()
        greeting = Greeting(self._config.job, self._agreement, ephemeral.public)
        body = encode_message(greeting)
        frame = Frame(FrameKind.GREETING, self.name, EVERYONE, GREETING_COUNTER, body).encode()
        self._released(Release.of(greeting, EVERYONE, len(frame)))
        self._transport.send(frame)
        self.traffic.count(greeting, len(frame))
        self._ephemeral = ephemeral

    def _accept(self, frame: Frame) -> None:
        if frame.kind is FrameKind.GREETING:
            self._greeted.add(frame.sender)
            self._meet(frame)
        else:
            self._take(frame)

    def _meet(self, frame: Frame) -> None:
        if self._ephemeral is None or frame.sender in self._pairs:
            raise OutOfTurnError(f"{frame.sender} greeted where no greeting was due")
        greeting = decode_message(frame.body, self._config.limits)
        if not isinstance(greeting, Greeting):
            raise MalformedError(f"{frame.sender} greets with {type(greeting).__name__}")
        if not hmac.compare_digest(greeting.job, self._config.job):
            raise OutOfTurnError(f"{frame.sender} runs another job")
        if not hmac.compare_digest(greeting.agreement, self._agreement):
            raise OutOfTurnError(
                f"{frame.sender} runs with other settings or another roster than {self.name}"
            )
        peer = Introduction(frame.sender, self._config.roster[frame.sender], greeting.ephemeral)
        context = self._config.job + self._agreement
        keys = derive_pair_keys(self._identity, self._ephemeral, self.name, peer, context=context)
        self._pairs[frame.sender] = Pair(keys, Sealer(keys.sending), Opener(keys.receiving))
        self.post(frame.sender, KeyConfirmation())

    def _take(self, frame: Frame) -> None:
        pair = self._pairs.get(frame.sender)
        if pair is None:
            raise OutOfTurnError(f"{frame.sender} sent a sealed frame before its greeting")
        pair.check_room(frame, self._config.limits)
        body = pair.opener.open(frame.counter, frame.body, frame.header())
        message = decode_message(body, self._config.limits)
        if isinstance(message, KeyConfirmation) is pair.confirmed:
            raise OutOfTurnError(
                f"{frame.sender} sent {type(message).__name__} "
                f"{'after' if pair.confirmed else 'before'} confirming its keys"
            )
        if isinstance(message, KeyConfirmation):
            pair.confirmed = True
        elif isinstance(message, Stopped):
            raise PeerLostError(f"{frame.sender} stopped: {message.reason}")
        else:
            pair.put(message, len(frame.body))


def _agreement(config: LinkConfig) -> bytes:
    """SHA-256 of the settings and the roster, so that no two parties run with different ones."""
    digest = hashlib.sha256(config.agreement)
    for name, public in sorted(config.roster.items()):
        digest.update(bytes([len(name)]) + name.encode() + public)
    return digest.digest()
