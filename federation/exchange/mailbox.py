"""The frames that wait for one party: a lane for each sender, served in turn.

A flood fills the lane of who sends it and no other, and delays others by one frame each at most.
"""

from collections import deque
from dataclasses import dataclass, field

from federation.exchange.quota import Quota


@dataclass(slots=True)
class _Lane:
    frames: deque[bytes] = field(default_factory=deque, repr=False)
    held: int = 0  # bytes


class Mailbox:
    """One party's waiting frames. It has no lock: its owner has."""

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._lanes: dict[str, _Lane] = {}
        self._turns: deque[str] = deque()  # senders with a frame, the next to be served first

    def __len__(self) -> int:
        return sum(len(lane.frames) for lane in self._lanes.values())

    def has_room(self, sender: str, size: int) -> bool:
        """Whether a frame of `size` bytes fits into the sender's lane."""
        lane = self._lanes.get(sender)
        return lane is None or self._quota.admits(size, frames=len(lane.frames), held=lane.held)

    def put(self, sender: str, frame: bytes) -> None:
        """Add a frame behind the others of its sender."""
        lane = self._lanes.setdefault(sender, _Lane())
        if not lane.frames:
            self._turns.append(sender)
        lane.frames.append(frame)
        lane.held += len(frame)

    def next_size(self) -> int | None:
        """Bytes of the frame that `take` would give; None when none waits."""
        return len(self._lanes[self._turns[0]].frames[0]) if self._turns else None

    def take(self) -> tuple[str, bytes] | None:
        """The next frame and its sender; None when none waits."""
        if not self._turns:
            return None
        sender = self._turns.popleft()
        lane = self._lanes[sender]
        frame = lane.frames.popleft()
        lane.held -= len(frame)
        if lane.frames:
            self._turns.append(sender)
        return sender, frame

    def clear(self) -> None:
        """Forget everything that waits."""
        self._lanes.clear()
        self._turns.clear()
