"""How much may wait or be under way at once."""

from dataclasses import dataclass
from typing import Final

from federation.protocol.limits import MIB

FULL: Final = 64  # frames of one sender that wait for one party before the sender has to


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """A bound on frames and on their bytes; one frame alone is always let in, whatever its size.

    So a quota needs no knowledge of the largest frame, and memory stays within the bound or one
    frame, whichever is more.
    """

    frames: int = FULL
    bytes: int = 64 * MIB

    def admits(self, size: int, *, frames: int, held: int) -> bool:
        """Whether `size` bytes more may join `frames` frames of `held` bytes."""
        return frames == 0 or (frames < self.frames and held + size <= self.bytes)
