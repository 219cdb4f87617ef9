"""The hub in one process: parties in threads, joined by bounded queues."""

import queue
import threading
from collections.abc import Sequence
from typing import Final

from federation.errors import PeerLostError, UnknownPeerError
from federation.exchange.routing import route
from federation.protocol.limits import Limits

QUEUE_FRAMES: Final = 64  # frames that wait for one party before senders have to
SEND_TIMEOUT_S: Final = 120.0
POLL_S: Final = 0.25  # how long a waiting party may miss that the hub was closed


class MemoryHub:
    """Routes frames between the parties of one process."""

    def __init__(self, names: Sequence[str], limits: Limits) -> None:
        self._names = tuple(names)
        self._limits = limits
        self._inboxes: dict[str, queue.Queue[bytes]] = {
            name: queue.Queue(QUEUE_FRAMES) for name in names
        }
        self._closed = threading.Event()

    def attach(self, name: str) -> "MemoryTransport":
        """The transport of one party.

        Raises:
            UnknownPeerError: no such party.
        """
        if name not in self._inboxes:
            raise UnknownPeerError(f"{name} is not on the roster")
        return MemoryTransport(self, name)

    def close(self) -> None:
        """Wake every party that waits; nothing moves any more."""
        self._closed.set()

    def deliver(self, sender: str, data: bytes) -> None:
        """Put a frame into the inbox of each recipient."""
        for recipient in route(sender, data, self._names, self._limits):
            self._put(recipient, data)

    def _put(self, recipient: str, data: bytes) -> None:
        waited = 0.0
        while not self._closed.is_set():
            try:
                return self._inboxes[recipient].put(data, timeout=POLL_S)
            except queue.Full:
                waited += POLL_S
                if waited >= SEND_TIMEOUT_S:
                    raise PeerLostError(f"{recipient} takes no more frames") from None
        raise PeerLostError("the hub is closed")

    def collect(self, recipient: str, timeout: float) -> bytes:
        """The next frame of a party's inbox."""
        waited = 0.0
        while not self._closed.is_set():
            try:
                return self._inboxes[recipient].get(timeout=POLL_S)
            except queue.Empty:
                waited += POLL_S
                if waited >= timeout:
                    raise PeerLostError(f"nothing came for {timeout:.0f} s") from None
        raise PeerLostError("the hub is closed")


class MemoryTransport:
    """One party's end of a `MemoryHub`."""

    def __init__(self, hub: MemoryHub, name: str) -> None:
        self._hub = hub
        self._name = name
        self._open = True

    def send(self, data: bytes) -> None:
        if not self._open:
            raise PeerLostError("this transport is closed")
        self._hub.deliver(self._name, data)

    def receive(self, timeout: float) -> bytes:
        if not self._open:
            raise PeerLostError("this transport is closed")
        return self._hub.collect(self._name, timeout)

    def close(self) -> None:
        self._open = False
