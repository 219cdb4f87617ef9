"""How much a peer may send before anything is read further."""

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Upper bounds on what comes from a peer; each is checked before memory is spent on it."""

    max_frame_bytes: int = 256 * MIB
    max_greeting_bytes: int = 1024  # body of a greeting: read before anyone is authenticated
    max_parts: int = 4096  # byte strings in one message
    max_stashed_frames: int = 64  # messages of one sender that wait for their turn
    max_stashed_bytes: int = 512 * MIB  # bytes of them; one message alone may always wait
