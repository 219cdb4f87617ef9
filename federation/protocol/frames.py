"""Frames: the only thing that ever crosses between parties.

Rules:
1. A frame is a clear header and a body. The header says who sends to whom, and the sender's
   count of frames to that recipient; the body is opaque to everyone but the recipient.
2. Only a `GREETING` body is in the clear: it carries the public values from which the keys of all
   other bodies are derived. It goes to `EVERYONE` as frame 0 and is short. Every other body is
   `SEALED` for one recipient, with the header as associated data.
3. A decoder returns a `Frame` or raises `MalformedError` or `TooLargeError`, nothing else.

Layout, big endian: magic 2 | version 1 | kind 1 | sender length 1 | recipient length 1 |
counter 8 | sender | recipient | body.
"""

import re
import struct
from dataclasses import dataclass, field
from enum import IntEnum

from federation.errors import MalformedError, TooLargeError
from federation.protocol.limits import Limits

MAGIC = b"FR"
VERSION = 1
EVERYONE = "*"  # recipient of a greeting, which the hub copies to all
GREETING_COUNTER = 0  # outside the count of sealed frames, which starts at 0 too
PREFIX = struct.Struct(">2sBBBBQ")
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


class FrameKind(IntEnum):
    """How the body of a frame is to be read."""

    GREETING = 1
    SEALED = 2


@dataclass(frozen=True, slots=True)
class Frame:
    """One addressed, counted body."""

    kind: FrameKind
    sender: str
    recipient: str
    counter: int
    body: bytes = field(repr=False)

    def header(self) -> bytes:
        """The clear part, which is also the associated data of a sealed body."""
        sender, recipient = self.sender.encode("ascii"), self.recipient.encode("ascii")
        prefix = PREFIX.pack(MAGIC, VERSION, self.kind, len(sender), len(recipient), self.counter)
        return prefix + sender + recipient

    def encode(self) -> bytes:
        """The frame as bytes."""
        return self.header() + self.body


def decode_frame(data: bytes, limits: Limits) -> Frame:
    """Read one frame.

    Raises:
        TooLargeError: more bytes than the limits allow.
        MalformedError: not a frame of this version, a name that no party can have, or a kind that
            does not go with its recipient or counter.
    """
    if len(data) > limits.max_frame_bytes:
        raise TooLargeError(
            f"a frame of {len(data)} bytes is over the limit of {limits.max_frame_bytes}"
        )
    if len(data) < PREFIX.size:
        raise MalformedError(f"{len(data)} bytes are too few for a frame")
    magic, version, kind, sender_length, recipient_length, counter = PREFIX.unpack_from(data)
    if magic != MAGIC:
        raise MalformedError("not a fedrecall frame")
    if version != VERSION:
        raise MalformedError(f"frame version {version}; this party speaks version {VERSION}")
    names = PREFIX.size + sender_length
    body = names + recipient_length
    if body > len(data):
        raise MalformedError("the frame ends inside its names")
    frame = Frame(
        kind=_kind(kind),
        sender=_name(data[PREFIX.size : names]),
        recipient=_recipient(data[names:body]),
        counter=counter,
        body=data[body:],
    )
    _check_kind(frame, limits)
    return frame


def _check_kind(frame: Frame, limits: Limits) -> None:
    greeting = frame.kind is FrameKind.GREETING
    if greeting is not (frame.recipient == EVERYONE):
        raise MalformedError(f"a {frame.kind.name} frame cannot go to {frame.recipient}")
    if not greeting:
        return
    if frame.counter != GREETING_COUNTER:
        raise MalformedError(f"a greeting has counter {frame.counter}, not {GREETING_COUNTER}")
    if len(frame.body) > limits.max_greeting_bytes:
        raise TooLargeError(
            f"a greeting of {len(frame.body)} bytes is over the limit of "
            f"{limits.max_greeting_bytes}"
        )


def _kind(value: int) -> FrameKind:
    try:
        return FrameKind(value)
    except ValueError:
        raise MalformedError(f"unknown frame kind {value}") from None


def _name(raw: bytes) -> str:
    name = raw.decode("ascii", errors="replace")
    if NAME.fullmatch(name) is None:
        raise MalformedError("a frame names a party that cannot exist")
    return name


def _recipient(raw: bytes) -> str:
    return EVERYONE if raw == EVERYONE.encode("ascii") else _name(raw)
