"""Frames over a connection that may break: kept until acknowledged, sent again after a break.

Rules:
1. Each direction counts its frames; both ends know the count, since a connection keeps order. So
   nothing is written into a frame, and none is copied to be sent.
2. An acknowledgement says how many frames have been taken in all. It is a message of its own.
3. A frame is kept until it is acknowledged. After a break each end says how many frames have
   arrived, and the other goes on with the one after: nothing is lost and nothing comes twice.
4. Frames that are not acknowledged stay within a window at the sender, and a receiver refuses
   what goes beyond it. Both ends know the window.
5. A party that wants nothing more says `LEAVE`; a connection that ends without it has broken.
6. No I/O, no threads and no clock here: times are arguments, in seconds.

Layout of an acknowledgement, big endian: magic 2 | count 8. A frame begins with another magic.
"""

import struct
from collections import deque
from typing import Final

from federation.errors import MalformedError, TooLargeError
from federation.exchange.quota import Quota
from federation.protocol.limits import MIB

ACKNOWLEDGEMENT: Final = struct.Struct(">2sQ")
MAGIC: Final = b"FA"
LEAVE: Final = b"FL"
WINDOW: Final = Quota(frames=256, bytes=64 * MIB)
ACK_DELAY_S: Final = 0.05  # one acknowledgement then stands for many small frames
ACK_FRAMES: Final = WINDOW.frames // 8  # taken frames that are acknowledged without delay …
ACK_BYTES: Final = WINDOW.bytes // 8  # … and bytes, so that a sender never waits for the delay


def is_acknowledgement(message: bytes) -> bool:
    """Whether a message is no frame but tells how many were taken."""
    return message[: len(MAGIC)] == MAGIC


def decode_acknowledgement(message: bytes) -> int:
    """The count in an acknowledgement.

    Raises:
        MalformedError: it is not one.
    """
    if len(message) != ACKNOWLEDGEMENT.size:
        raise MalformedError(f"an acknowledgement of {len(message)} bytes")
    count: int = ACKNOWLEDGEMENT.unpack(message)[1]
    return count


class Departures:
    """The frames one end sends."""

    def __init__(self, window: Quota = WINDOW) -> None:
        self._window = window
        self._kept: deque[bytes] = deque()  # not acknowledged, oldest first
        self._held = 0  # bytes of them
        self._acknowledged = 0
        self._sent = 0  # handed to the present connection, or known to have arrived

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def oldest(self) -> bytes:
        """The frame that has waited longest for its acknowledgement; there must be one."""
        return self._kept[0]

    def has_room(self, size: int) -> bool:
        """Whether a frame of `size` bytes fits into the window."""
        return self._window.admits(size, frames=len(self._kept), held=self._held)

    def add(self, frame: bytes) -> None:
        """Take a frame to be sent; there must be room."""
        self._kept.append(frame)
        self._held += len(frame)

    def next(self) -> bytes | None:
        """The next frame for the present connection; None when all were handed to it."""
        index = self._sent - self._acknowledged
        if index == len(self._kept):
            return None
        self._sent += 1
        return self._kept[index]

    def acknowledge(self, count: int) -> None:
        """Let go of the first `count` frames of all.

        Raises:
            MalformedError: so many were not sent, or fewer than were acknowledged before.
        """
        if not self._acknowledged <= count <= self._sent:
            raise MalformedError(
                f"{count} frames are acknowledged, not {self._acknowledged} to {self._sent}"
            )
        for _ in range(count - self._acknowledged):
            self._held -= len(self._kept.popleft())
        self._acknowledged = count

    def resume(self, arrived: int) -> None:
        """Go on over a new connection with the frame after the first `arrived` of all.

        Raises:
            MalformedError: so many were never sent, or fewer than were acknowledged.
        """
        if not self._acknowledged <= arrived <= self._acknowledged + len(self._kept):
            raise MalformedError(f"{arrived} frames cannot have arrived")
        self._sent = arrived


class Arrivals:
    """The frames one end receives."""

    def __init__(self, window: Quota = WINDOW) -> None:
        self._window = window
        self._waiting = 0  # bytes that arrived and were not taken
        self._taken = 0
        self._unsaid_bytes = 0  # taken, not yet in an acknowledgement
        self._unsaid_frames = 0
        self._due: float | None = None
        self.count = 0  # frames that arrived since the session began

    def arrive(self, size: int) -> None:
        """Count a frame that came.

        Raises:
            TooLargeError: it is beyond the window; nothing is counted.
        """
        frames = self.count - self._taken
        if not self._window.admits(size, frames=frames, held=self._waiting):
            raise TooLargeError(f"{frames + 1} frames were sent without waiting for their turn")
        self.count += 1
        self._waiting += size

    def take(self, size: int, now: float) -> None:
        """Count the oldest frame, of `size` bytes, as taken: it will be acknowledged."""
        self._taken += 1
        self._waiting -= size
        self._unsaid_frames += 1
        self._unsaid_bytes += size
        if self._unsaid_frames >= ACK_FRAMES or self._unsaid_bytes >= ACK_BYTES:
            self._due = now
        elif self._due is None:
            self._due = now + ACK_DELAY_S

    def restart(self, now: float) -> None:
        """Begin a new connection: the last acknowledgement may have been lost with the old one."""
        if self._taken:
            self._due = now

    def acknowledgement(self, now: float) -> bytes | None:
        """The message that is due, if one is."""
        if self._due is None or now < self._due:
            return None
        self._due = None
        self._unsaid_frames = self._unsaid_bytes = 0
        return ACKNOWLEDGEMENT.pack(MAGIC, self._taken)

    @property
    def due(self) -> float | None:
        """When the next acknowledgement is to be sent; None while nothing is to be said."""
        return self._due
