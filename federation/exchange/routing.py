"""Where a frame goes: the hub's only decision about traffic it cannot read."""

from collections.abc import Sequence

from federation.errors import UnknownPeerError
from federation.protocol.frames import EVERYONE, decode_frame
from federation.protocol.limits import Limits


def route(attached: str, data: bytes, names: Sequence[str], limits: Limits) -> tuple[str, ...]:
    """The parties that a frame handed in by `attached` goes to.

    Raises:
        UnknownPeerError: the frame claims another sender than the party that handed it in, or
            goes to nobody on the roster.
        MalformedError, TooLargeError: the bytes are not an acceptable frame.
    """
    frame = decode_frame(data, limits)
    if frame.sender != attached:
        raise UnknownPeerError(f"{attached} handed in a frame that claims to be {frame.sender}'s")
    if frame.recipient == EVERYONE:
        return tuple(name for name in names if name != attached)
    if frame.recipient not in names or frame.recipient == attached:
        raise UnknownPeerError(f"{attached} sent a frame to {frame.recipient}, which is no peer")
    return (frame.recipient,)
