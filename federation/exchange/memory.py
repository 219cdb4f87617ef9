"""The hub in one process: parties in threads, joined by bounded mailboxes."""

from collections.abc import Sequence
from typing import Final, Protocol

from federation.errors import PeerLostError, UnknownPeerError
from federation.exchange.mailroom import Mailroom
from federation.exchange.quota import Quota
from federation.exchange.routing import route
from federation.protocol.limits import Limits

SEND_TIMEOUT_S: Final = 120.0


class Carrier(Protocol):
    """What takes frames from the parties of one process and hands them out."""

    def deliver(self, sender: str, data: bytes) -> None:
        """Put a frame into the mailbox of each recipient."""
        ...

    def collect(self, recipient: str, timeout: float) -> bytes:
        """The next frame for a party."""
        ...


class MemoryHub:
    """Routes frames between the parties of one process.

    Args:
        names: every party.
        limits: upper bounds on a frame.
        send_timeout_s: how long a sender waits for a party that takes no frames.
    """

    def __init__(
        self, names: Sequence[str], limits: Limits, *, send_timeout_s: float = SEND_TIMEOUT_S
    ) -> None:
        self._names = tuple(names)
        self._limits = limits
        self._send_timeout_s = send_timeout_s
        self._room = Mailroom(names, Quota())

    def attach(self, name: str) -> "MemoryTransport":
        """The transport of one party.

        Raises:
            UnknownPeerError: no such party.
        """
        if name not in self._names:
            raise UnknownPeerError(f"{name} is not on the roster")
        return MemoryTransport(self, name)

    def close(self) -> None:
        """Wake every party that waits; nothing moves any more."""
        self._room.close(PeerLostError("the hub is closed"))

    def deliver(self, sender: str, data: bytes) -> None:
        """Put a frame into the mailbox of each recipient."""
        for recipient in route(sender, data, self._names, self._limits):
            self._put(sender, recipient, data)

    def _put(self, sender: str, recipient: str, data: bytes) -> None:
        self._room.post(sender, (recipient,), data, self._send_timeout_s)

    def collect(self, recipient: str, timeout: float) -> bytes:
        """The next frame of a party's mailbox."""
        return self._room.fetch(recipient, timeout)


class MemoryTransport:
    """One party's end of a hub in its own process."""

    def __init__(self, hub: Carrier, name: str) -> None:
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
