"""A line without any protection: the control by which the capture check proves itself.

Nothing of this is ever part of the product. It carries the real sessions' messages as they are
encoded, unsealed, over plain TCP, so that a search which finds nothing in a real run can be shown
to find everything in this one.

On the line: length 4, big endian | length of the name 1 | name | body. A party says its own name
first; then the name is the recipient's on the way to the hub and the sender's on the way back.
"""

import queue
import socket
import struct
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, TypeVar

from federation.crypto.sealing import Identity
from federation.errors import OutOfTurnError, PeerLostError
from federation.exchange.link import Link, LinkConfig
from federation.protocol.codec import decode_message, encode_message
from federation.protocol.limits import Limits
from federation.protocol.messages import Message

ARCHIVE: Final = "archive"  # a recipient that is no party: the hub keeps what is sent to it
HEAD: Final = struct.Struct(">IB")
WAIT_S: Final = 600.0
CONNECT_S: Final = 60.0

Expected = TypeVar("Expected", bound=Message)


class ClearHub:
    """Passes on what it is sent, and can read all of it."""

    def __init__(self, port: int, names: list[str]) -> None:
        """Listen on every address of this host."""
        self._server = socket.create_server(("0.0.0.0", port))  # noqa: S104 - an isolated host
        self._boxes: dict[str, queue.SimpleQueue[bytes]] = {
            name: queue.SimpleQueue() for name in names
        }
        self.archive: list[bytes] = []
        self.port: int = self._server.getsockname()[1]

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Accept and serve every party in threads of their own."""
        threading.Thread(target=self._accept, daemon=True).start()
        try:
            yield
        finally:
            self._server.shutdown(socket.SHUT_RDWR)  # wakes who accepts
            self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                line, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        with line, suppress(OSError):
            name, _ = _read(line)
            threading.Thread(target=self._deliver, args=(line, name), daemon=True).start()
            while True:
                recipient, body = _read(line)
                if recipient == ARCHIVE:
                    self.archive.append(body)
                else:
                    self._boxes[recipient].put(_framed(name, body))

    def _deliver(self, line: socket.socket, name: str) -> None:
        with suppress(OSError):
            while True:
                line.sendall(self._boxes[name].get())


class ClearTransport:
    """One party's end."""

    def __init__(self, address: tuple[str, int], name: str) -> None:
        """Connect and say who this is."""
        self._line = _connected(address)
        self._line.settimeout(WAIT_S)
        self._line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._line.sendall(_framed(name, b""))

    def send_to(self, recipient: str, body: bytes) -> None:
        """Send some bytes to one party, or to the archive."""
        self._line.sendall(_framed(recipient, body))

    def next(self) -> tuple[str, bytes]:
        """The next bytes for this party, and who sent them."""
        try:
            return _read(self._line)
        except OSError as error:
            raise PeerLostError(f"the clear line is gone: {error}") from error

    def send(self, data: bytes) -> None:
        raise NotImplementedError("a clear line carries messages, not frames")

    def receive(self, timeout: float) -> bytes:
        raise NotImplementedError("a clear line carries messages, not frames")

    def close(self) -> None:
        self._line.close()


class ClearLink(Link):
    """Messages as they are, in place of sealed frames; the parties cannot tell the difference."""

    def __init__(self, line: ClearTransport, name: str, job: bytes) -> None:
        """Take over a connected line."""
        identity = Identity.generate()  # never used
        config = LinkConfig(
            name=name, roster={name: identity.public}, job=job, agreement=bytes(32)
        )
        super().__init__(line, identity, config)
        self._clear_line = line
        self._waiting: defaultdict[str, deque[Message]] = defaultdict(deque)

    def greet(self) -> None:
        return

    def mask_key(self, peer: str) -> bytes:
        raise NotImplementedError("profile plain has no masks")

    def post(self, recipient: str, message: Message) -> None:
        body = encode_message(message)
        self._clear_line.send_to(recipient, body)
        self.traffic.count(message, len(body))

    def receive(self, sender: str, *kinds: type[Expected]) -> Expected:
        while not self._waiting[sender]:
            self._take_next()
        message = self._waiting[sender].popleft()
        if not isinstance(message, kinds):
            raise OutOfTurnError(f"{sender} sent {type(message).__name__} out of turn")
        return message

    def receive_any(self) -> tuple[str, Message]:
        while True:
            for sender, messages in self._waiting.items():
                if messages:
                    return sender, messages.popleft()
            self._take_next()

    def stop(self, reason: str) -> None:
        del reason

    def _take_next(self) -> None:
        sender, body = self._clear_line.next()
        self._waiting[sender].append(decode_message(body, Limits()))


def _connected(address: tuple[str, int]) -> socket.socket:
    """Connect, waiting for a hub that is not up yet."""
    ends = time.monotonic() + CONNECT_S
    while True:
        try:
            return socket.create_connection(address, timeout=CONNECT_S)
        except ConnectionRefusedError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.2)


def _framed(name: str, body: bytes) -> bytes:
    encoded = name.encode("ascii")
    return HEAD.pack(len(body), len(encoded)) + encoded + body


def _read(line: socket.socket) -> tuple[str, bytes]:
    size, named = HEAD.unpack(_exactly(line, HEAD.size))
    return _exactly(line, named).decode("ascii"), _exactly(line, size)


def _exactly(line: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = line.recv(min(size - len(data), 1 << 20))
        if not piece:
            raise ConnectionResetError("the other end closed the line")
        data += piece
    return bytes(data)
