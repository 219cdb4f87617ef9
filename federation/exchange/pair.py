"""What a link keeps for one peer: the keys with it, and its messages that wait for their turn."""

from collections import deque
from dataclasses import dataclass, field

from federation.crypto.sealing import Opener, PairKeys, Sealer
from federation.errors import TooLargeError
from federation.protocol.frames import Frame
from federation.protocol.limits import Limits
from federation.protocol.messages import Message


@dataclass(slots=True)
class Pair:
    """One party's end of what it shares with a peer."""

    keys: PairKeys = field(repr=False)
    sealer: Sealer = field(repr=False)
    opener: Opener = field(repr=False)
    confirmed: bool = False  # the peer has shown that it derived the same keys
    inbox: deque[tuple[Message, int]] = field(default_factory=deque, repr=False)  # with its size
    waiting_bytes: int = 0

    def check_room(self, frame: Frame, limits: Limits) -> None:
        """Raise TooLargeError if the peer already has as much waiting as it may."""
        waiting = self.waiting_bytes + len(frame.body)
        full = len(self.inbox) >= limits.max_stashed_frames
        if full or (self.inbox and waiting > limits.max_stashed_bytes):
            raise TooLargeError(f"{frame.sender} sends faster than its turn comes")

    def put(self, message: Message, size: int) -> None:
        """Let a message of `size` bytes wait."""
        self.inbox.append((message, size))
        self.waiting_bytes += size

    def pop(self) -> Message:
        """The message that has waited longest."""
        message, size = self.inbox.popleft()
        self.waiting_bytes -= size
        return message
