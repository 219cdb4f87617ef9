"""Whether a stream is TLS from its first byte to its last, so that nothing in it is in clear.

Record layer of RFC 8446, section 5.1: type 1 | version 2 | length 2 | fragment.
"""

from dataclasses import dataclass
from typing import Final

HEADER: Final = 5
TYPES: Final = range(20, 24)  # change cipher spec, alert, handshake, application data
APPLICATION_DATA: Final = 23
VERSIONS: Final = (b"\x03\x01", b"\x03\x03")  # the first hello may carry the older one
MAX_FRAGMENT: Final = (1 << 14) + 2048


@dataclass(frozen=True, slots=True)
class Records:
    """The records of a stream.

    Args:
        sealed: bytes of application data.
        handshake: bytes of all other records.
        clear: bytes from the first one on that is not part of a record; 0 if all are.
    """

    sealed: int
    handshake: int
    clear: int


def walk_records(data: bytes | bytearray) -> Records:
    """Follow a stream's records as far as they go; the last one may be cut off by the end."""
    sealed = handshake = at = 0
    while at < len(data):
        head = bytes(data[at : at + HEADER])
        length = int.from_bytes(head[3:5], "big")
        known = head[0] in TYPES and head[1:3] in VERSIONS
        if len(head) == HEADER and (not known or length > MAX_FRAGMENT):
            return Records(sealed, handshake, len(data) - at)
        size = min(HEADER + length, len(data) - at)
        if head[0] == APPLICATION_DATA:
            sealed += size
        else:
            handshake += size
        at += max(size, 1)
    return Records(sealed, handshake, 0)
