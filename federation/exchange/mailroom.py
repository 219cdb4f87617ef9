"""The mailboxes of several parties behind one lock, for threads that wait.

Each party has one condition. It is notified when mail for the party has come, and when one of
the others has taken a frame of its and so made room for its next.
"""

import threading
import time
from collections.abc import Iterable, Sequence

from federation.errors import PeerLostError
from federation.exchange.mailbox import Mailbox
from federation.exchange.quota import Quota


class Mailroom:
    """Takes frames from senders and keeps them until their recipients come."""

    def __init__(self, names: Iterable[str], quota: Quota) -> None:
        self.lock = threading.Lock()
        self._boxes = {name: Mailbox(quota) for name in names}
        self._changed = {name: threading.Condition(self.lock) for name in self._boxes}
        self._closed: PeerLostError | None = None

    def post(self, sender: str, recipients: Sequence[str], frame: bytes, timeout: float) -> None:
        """Put a frame into the mailbox of each recipient, waiting up to `timeout` seconds.

        Raises:
            PeerLostError: a recipient takes no frames, or the room is closed.
        """
        ends = time.monotonic() + timeout
        with self.lock:
            for recipient in recipients:
                self._await_room(sender, recipient, len(frame), ends)
                self._put(sender, recipient, frame)

    def fetch(self, recipient: str, timeout: float) -> bytes:
        """The next frame for a party, waiting up to `timeout` seconds.

        Raises:
            PeerLostError: none came, or the room is closed.
        """
        ends = time.monotonic() + timeout
        with self.lock:
            while True:
                self._check_open()
                if (frame := self._take(recipient)) is not None:
                    return frame
                if not self._wait(recipient, ends):
                    raise PeerLostError(f"nothing came for {timeout:.0f} s")

    def close(self, error: PeerLostError) -> None:
        """Let nothing move any more: whoever waits, or comes later, gets `error`."""
        with self.lock:
            if self._closed is None:
                self._closed = error
            for name, box in self._boxes.items():
                box.clear()
                self._changed[name].notify_all()

    def _check_open(self) -> None:
        if self._closed is not None:
            raise type(self._closed)(str(self._closed))  # a new one: each waiter adds a traceback

    def _await_room(self, sender: str, recipient: str, size: int, ends: float) -> None:
        self._check_open()
        while not self._has_room(sender, recipient, size):
            if not self._wait(sender, ends):
                raise PeerLostError(self._complaint(recipient))
            self._check_open()

    def _has_room(self, sender: str, recipient: str, size: int) -> bool:
        return self._boxes[recipient].has_room(sender, size)

    def _complaint(self, recipient: str) -> str:
        return f"{recipient} takes no more frames"

    def _put(self, sender: str, recipient: str, frame: bytes) -> None:
        self._boxes[recipient].put(sender, frame)
        self._changed[recipient].notify_all()

    def _take(self, recipient: str) -> bytes | None:
        taken = self._boxes[recipient].take()
        if taken is None:
            return None
        sender, frame = taken
        self._made_room(sender)
        return frame

    def _made_room(self, sender: str) -> None:
        self._changed[sender].notify_all()

    def _wait(self, name: str, ends: float) -> bool:
        left = ends - time.monotonic()
        if left <= 0:
            return False
        self._changed[name].wait(left)
        return True
