"""A remote party's transport: one stream to the hub, redialled when it breaks.

Rules:
1. A `GrpcTransport` has two threads of its own: one dials and reads, one writes. gRPC runs the
   second, by asking for the next message.
2. What the hub refuses is final and raised at once. Everything else that ends a connection is a
   break: it is redialled for up to `reconnect_s`.
3. The hub must have a certificate of the authority, under its name, with the pinned key.
"""

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

import grpc

from federation.errors import FederationError, MalformedError, PeerLostError
from federation.exchange.claims import (
    ARRIVED_KEY,
    INSTANCE_BYTES,
    REASON_CHARACTERS,
    Claim,
    Welcome,
    decode_refusal,
    is_refusal,
    printable,
)
from federation.exchange.delivery import (
    LEAVE,
    Arrivals,
    Departures,
    decode_acknowledgement,
    is_acknowledgement,
)
from federation.exchange.grpc_options import METHOD, client_options
from federation.exchange.probe import probe_hub
from federation.exchange.routing import route
from federation.exchange.tls import TlsMaterial
from federation.protocol.limits import Limits

ANSWER_S: Final = 15.0  # how long the hub may think about a call
PAUSES_S: Final = (0.1, 2.0)  # between two attempts: the first pause, doubled up to the second
LINGER_S: Final = 30.0  # how long a transport that is closed goes on to deliver
HANG_UP_S: Final = 3.0
CLOSED: Final = "this transport is closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DialConfig:
    """How a party reaches the hub.

    Args:
        address: host:port of the hub.
        name: this party's own name.
        hub_name: the DNS name in the hub's certificate, checked whatever the address.
        tls: this party's key and certificate, and the authority.
        hub_pin: `spki_pin` of the hub's key.
        session: 16 bytes, from the order.
        token: 32 bytes, from the order.
        limits: upper bounds on a frame.
        reconnect_s: how long a lost connection is redialled.
        send_timeout_s: how long a frame waits for a recipient that takes none.
    """

    address: str
    name: str
    hub_name: str = "coordinator"
    tls: TlsMaterial
    hub_pin: bytes
    session: bytes
    token: bytes = field(repr=False)
    limits: Limits = field(default_factory=Limits)
    reconnect_s: float = 150.0
    send_timeout_s: float = 180.0


class _Line:
    """One connection, from dialling to its end."""

    def __init__(self, config: DialConfig, certificate: bytes) -> None:
        credentials = grpc.ssl_channel_credentials(
            certificate, config.tls.key, config.tls.certificate
        )
        options = client_options(config.limits, config.hub_name)
        self._channel = grpc.secure_channel(config.address, credentials, options)
        self.over = False
        self.call: Any = None

    def dial(self, claim: Claim, outgoing: Iterator[bytes]) -> Welcome:
        """Open the stream.

        Raises:
            FederationError: the hub refuses.
            ConnectionError: it does not answer.
        """
        join = self._channel.stream_stream(METHOD)
        self.call = join(outgoing, metadata=claim.to_metadata())
        watchdog = threading.Timer(ANSWER_S, self.call.cancel)
        watchdog.start()
        try:
            pairs = self.call.initial_metadata() or ()
        finally:
            watchdog.cancel()
        if not any(key == ARRIVED_KEY for key, _ in pairs):
            raise self.why_ended()
        return Welcome.from_metadata(pairs)

    def why_ended(self) -> FederationError | ConnectionError:
        """What the hub ended the call with, or how the connection broke."""
        pairs = self.call.trailing_metadata() or ()
        if is_refusal(pairs):
            return decode_refusal(pairs, self.call.details())
        return ConnectionError(
            printable(self.call.details() or "the hub hung up", REASON_CHARACTERS)
        )

    def hang_up(self) -> None:
        """End the connection."""
        self._channel.close()


class GrpcTransport:
    """A remote party's end of its connection to the hub.

    Raises, when it is made:
        PeerLostError: the hub cannot be reached, or the session is over.
        PeerError: the hub is not who it should be, or does not let this party in.
    """

    def __init__(self, config: DialConfig) -> None:
        self._config = config
        self._instance = secrets.token_bytes(INSTANCE_BYTES)
        self._limits = config.limits
        self._names: tuple[str, ...] = ()
        self._departures = Departures()
        self._arrivals = Arrivals()
        self._inbox: deque[bytes] = deque()
        self._lock = threading.Lock()
        self._incoming = threading.Condition(self._lock)  # frames for `receive`
        self._outgoing = threading.Condition(self._lock)  # messages for the writer
        self._progress = threading.Condition(self._lock)  # room, connections and their end
        self._line: _Line | None = None
        self._failure: FederationError | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._carry, name="hub-line", daemon=True)
        self._thread.start()
        self._await_first()

    def send(self, data: bytes) -> None:
        """Hand one frame to the hub; returns when it is on its way, not when it has come."""
        route(self._config.name, data, self._names, self._limits)
        with self._lock:
            if self._closing:
                raise PeerLostError(CLOSED)
            size = len(data)
            if not self._await(
                lambda: self._departures.has_room(size), self._config.send_timeout_s
            ):
                raise PeerLostError(self._complaint())
            self._departures.add(data)
            self._outgoing.notify_all()

    def receive(self, timeout: float) -> bytes:
        """The next frame for this party, waiting up to `timeout` seconds."""
        ends = time.monotonic() + timeout
        with self._lock:
            while not self._inbox or self._closing:
                self._check()
                left = ends - time.monotonic()
                if left <= 0:
                    raise PeerLostError(f"nothing came for {timeout:.0f} s")
                self._incoming.wait(left)
            frame = self._inbox.popleft()
            before = self._arrivals.due
            self._arrivals.take(len(frame), time.monotonic())
            if self._arrivals.due != before:
                self._outgoing.notify_all()
            return frame

    def close(self) -> None:
        """Deliver what was sent, as far as that goes, and end the connection."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
            self._wake()
            try:
                delivered = self._await(lambda: len(self._departures) == 0, LINGER_S)
            except FederationError:
                delivered = False
        if delivered:
            self._thread.join(HANG_UP_S)  # the hub ends the call when it hears that we leave
        self._fail(PeerLostError(CLOSED))
        self._thread.join(HANG_UP_S)

    def _await_first(self) -> None:
        with self._lock:
            while self._line is None and not self._names:
                self._check()
                self._progress.wait()

    def _await(self, ready: Callable[[], bool], timeout: float) -> bool:
        """Wait until `ready`, up to `timeout` seconds of having a connection."""
        ends = time.monotonic() + timeout
        while not ready():
            self._check()
            if self._line is None:
                ends = time.monotonic() + timeout
                self._progress.wait()
                continue
            left = ends - time.monotonic()
            if left <= 0:
                return False
            self._progress.wait(left)
        self._check()
        return True

    def _check(self) -> None:
        if self._failure is not None:
            raise type(self._failure)(str(self._failure))  # a new one: it gets a traceback

    def _complaint(self) -> str:
        who = route(self._config.name, self._departures.oldest, self._names, self._limits)
        return f"{' or '.join(who)} takes no more frames"

    def _fail(self, error: FederationError) -> None:
        with self._lock:
            if self._failure is None:
                self._failure = error
            line = self._line
            self._wake()
        if line is not None:
            line.hang_up()

    def _wake(self) -> None:
        for condition in (self._incoming, self._outgoing, self._progress):
            condition.notify_all()

    def _carry(self) -> None:
        """Dial, read until the connection ends, and dial again."""
        try:
            while (line := self._connect()) is not None:
                self._read(line)
                self._pause(PAUSES_S[0])  # a hub that always hangs up is not asked without end
        finally:  # whatever happened, nobody may wait for this thread
            self._fail(PeerLostError(f"{self._config.name} does not dial the hub any more"))

    def _connect(self) -> _Line | None:
        lost_at = time.monotonic()
        pause, longest = PAUSES_S
        while self._failure is None:
            try:
                return self._dial()
            except FederationError as error:
                self._fail(error)
            except OSError as error:
                self._give_up_after(lost_at, error)
                self._pause(pause)
                pause = min(2 * pause, longest)
        return None

    def _pause(self, seconds: float) -> None:
        with self._lock:
            if self._failure is None:
                self._progress.wait(seconds)

    def _give_up_after(self, lost_at: float, error: OSError) -> None:
        away = time.monotonic() - lost_at
        if away >= self._config.reconnect_s:
            self._fail(
                PeerLostError(
                    f"{self._config.name} has not reached the hub at {self._config.address} for "
                    f"{away:.0f} s: {error}"
                )
            )

    def _dial(self) -> _Line:
        config = self._config
        certificate = probe_hub(
            config.address,
            config.tls,
            party=config.name,
            hub=config.hub_name,
            pin=config.hub_pin,
        )
        line = _Line(config, certificate)
        claim = Claim(
            party=config.name,
            session=config.session,
            token=config.token,
            instance=self._instance,
            arrived=self._arrivals.count,
        )
        try:
            welcome = line.dial(claim, self._messages(line))
            self._take_up(line, welcome)
        except (FederationError, OSError):
            self._drop(line)
            raise
        return line

    def _take_up(self, line: _Line, welcome: Welcome) -> None:
        if self._config.name not in welcome.names:
            raise MalformedError(f"the hub does not know {self._config.name}")
        largest = min(self._config.limits.max_frame_bytes, welcome.max_frame_bytes)
        with self._lock:
            self._check()
            self._departures.resume(welcome.arrived)
            self._arrivals.restart(time.monotonic())
            self._names = welcome.names
            self._limits = replace(self._config.limits, max_frame_bytes=largest)
            self._line = line
            self._wake()

    def _drop(self, line: _Line) -> None:
        with self._lock:
            line.over = True
            self._line = None
            self._wake()
        line.hang_up()

    def _read(self, line: _Line) -> None:
        try:
            for message in line.call:
                self._accept(message)
            if self._closing:  # the hub has heard that we leave
                self._fail(PeerLostError(CLOSED))
        except FederationError as error:
            self._fail(error)
        except grpc.RpcError:
            ended = line.why_ended()
            if isinstance(ended, FederationError):
                self._fail(ended)
        finally:
            self._drop(line)

    def _accept(self, message: bytes) -> None:
        with self._lock:
            if is_acknowledgement(message):
                self._departures.acknowledge(decode_acknowledgement(message))
                self._progress.notify_all()
                if self._closing:
                    self._outgoing.notify_all()
                return
            self._arrivals.arrive(len(message))
            self._inbox.append(message)
            self._incoming.notify_all()

    def _messages(self, line: _Line) -> Iterator[bytes]:
        """What goes out over one connection, as gRPC asks for it."""
        while (message := self._next(line)) is not None:
            yield message

    def _next(self, line: _Line) -> bytes | None:
        with self._lock:
            while not line.over:
                due = None
                if self._line is line:
                    now = time.monotonic()
                    message = self._arrivals.acknowledgement(now) or self._departures.next()
                    if message is not None:
                        return message
                    if self._closing and not len(self._departures):
                        line.over = True
                        return LEAVE
                    due = self._arrivals.due
                self._outgoing.wait(None if due is None else due - time.monotonic())
            return None
