"""The envelope of batch-gradient material: whose key it is under, its kind and its parts.

Frames are authenticated before they come here; what this adds is that a public key, a sealed
gradient and a product are never taken for one another, nor for those of another key or setting,
before any native code sees a byte.

    magic 4 | fingerprint 16 | kind 1 | count 1 | count x length 4 | the parts
"""

import hashlib
import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import Final

from federation.errors import ForeignKeyError, MalformedError

FINGERPRINT_BYTES: Final = 16
_MAGIC: Final = b"FRG1"
_HEADER: Final = struct.Struct(f"<4s{FINGERPRINT_BYTES}sBB")


class Kind(IntEnum):
    """What an envelope holds."""

    PUBLIC_KEY = 1
    SEALED_GROUP = 2
    PRODUCT = 3


def fingerprint(public_key: bytes, *, settings: bytes) -> bytes:
    """The first 16 bytes of SHA-256 over the settings and the public key."""
    length = struct.pack("<I", len(settings))
    return hashlib.sha256(length + settings + public_key).digest()[:FINGERPRINT_BYTES]


def wrap(kind: Kind, parts: Sequence[bytes], *, under: bytes) -> bytes:
    """Put parts, at most 255, into an envelope of the key with fingerprint `under`."""
    header = _HEADER.pack(_MAGIC, under, kind, len(parts))
    lengths = struct.pack(f"<{len(parts)}I", *(len(part) for part in parts))
    return b"".join((header, lengths, *parts))


def unwrap(envelope: bytes, kind: Kind, *, count: int, under: bytes | None) -> tuple[bytes, ...]:
    """Take the parts out of an envelope.

    Args:
        envelope: what `wrap` gave on the other side.
        kind: what it must hold.
        count: how many parts it must hold.
        under: the fingerprint it must carry; None for a public key, which brings its own.

    Raises:
        ForeignKeyError: it is under another key or other settings.
        MalformedError: it is of another kind or count, or its lengths do not add up.
    """
    start = _HEADER.size + 4 * count
    if len(envelope) < start:
        raise MalformedError(f"{len(envelope)} bytes are too few for a {kind.name.lower()}")
    magic, found_under, found_kind, found_count = _HEADER.unpack_from(envelope)
    if (magic, found_kind, found_count) != (_MAGIC, kind, count):
        raise MalformedError(f"not a {kind.name.lower()} of {count} parts")
    if under is not None and found_under != under:
        raise ForeignKeyError(f"a {kind.name.lower()} under another key or other settings")
    lengths = struct.unpack_from(f"<{count}I", envelope, _HEADER.size)
    if start + sum(lengths) != len(envelope):
        raise MalformedError(f"the lengths in a {kind.name.lower()} do not add up to its bytes")
    return _cut(envelope, start, lengths)


def fingerprint_of(envelope: bytes) -> bytes:
    """The fingerprint an envelope that `unwrap` accepts carries."""
    return bytes(_HEADER.unpack_from(envelope)[1])


def _cut(envelope: bytes, start: int, lengths: Sequence[int]) -> tuple[bytes, ...]:
    parts = []
    for length in lengths:
        parts.append(envelope[start : start + length])
        start += length
    return tuple(parts)
