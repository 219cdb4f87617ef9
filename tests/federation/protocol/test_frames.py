import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import MalformedError, TooLargeError
from federation.protocol.frames import (
    EVERYONE,
    GREETING_COUNTER,
    NAME,
    PREFIX,
    Frame,
    FrameKind,
    decode_frame,
)
from federation.protocol.limits import Limits

LIMITS = Limits(max_frame_bytes=4096, max_greeting_bytes=100)
NAMES = st.from_regex(NAME, fullmatch=True)
SEALED = st.builds(
    Frame,
    st.just(FrameKind.SEALED),
    NAMES,
    NAMES,
    st.integers(0, 2**64 - 1),
    st.binary(max_size=200),
)
GREETINGS = st.builds(
    Frame,
    st.just(FrameKind.GREETING),
    NAMES,
    st.just(EVERYONE),
    st.just(GREETING_COUNTER),
    st.binary(max_size=100),
)
FRAME = Frame(FrameKind.SEALED, "item", "social", 7, b"body")


def raw(
    *,
    magic: bytes = b"FR",
    version: int = 1,
    kind: int = 2,
    sender: bytes = b"item",
    recipient: bytes = b"social",
    counter: int = 7,
) -> bytes:
    prefix = PREFIX.pack(magic, version, kind, len(sender), len(recipient), counter)
    return prefix + sender + recipient + b"body"


@given(st.one_of(SEALED, GREETINGS))
def test_a_frame_survives_the_way_over_the_wire(frame: Frame) -> None:
    data = frame.encode()

    assert decode_frame(data, LIMITS) == frame
    assert data == frame.header() + frame.body


@given(st.binary(max_size=80))
def test_any_bytes_give_a_frame_or_a_typed_error(data: bytes) -> None:
    try:
        frame = decode_frame(data, LIMITS)
    except (MalformedError, TooLargeError):
        return
    assert frame.encode() == data


@given(st.one_of(SEALED, GREETINGS), st.data())
def test_a_changed_byte_gives_another_frame_or_a_typed_error(
    frame: Frame, data: st.DataObject
) -> None:
    encoded = bytearray(frame.encode())
    where = data.draw(st.integers(0, len(encoded) - 1))
    encoded[where] ^= data.draw(st.integers(1, 255))

    try:
        other = decode_frame(bytes(encoded), LIMITS)
    except (MalformedError, TooLargeError):
        return
    assert other != frame
    assert other.encode() == bytes(encoded)


def test_the_frame_written_by_hand_is_the_frame() -> None:
    assert decode_frame(raw(), LIMITS) == FRAME


def test_a_frame_cut_short_in_its_header_is_refused() -> None:
    for end in range(len(FRAME.header())):
        with pytest.raises(MalformedError):
            decode_frame(FRAME.encode()[:end], LIMITS)


def test_a_frame_may_be_as_large_as_the_limit_and_no_larger() -> None:
    room = LIMITS.max_frame_bytes - len(FRAME.header())

    whole = FRAME.header() + bytes(room)
    assert len(decode_frame(whole, LIMITS).body) == room
    with pytest.raises(TooLargeError, match="4097 bytes is over the limit of 4096"):
        decode_frame(whole + b"x", LIMITS)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (raw(magic=b"XX"), "not a fedrecall frame"),
        (raw(version=2), "frame version 2; this party speaks version 1"),
        (raw(kind=0), "unknown frame kind 0"),
        (raw(kind=3), "unknown frame kind 3"),
        (raw(sender=b""), "cannot exist"),
        (raw(recipient=b""), "cannot exist"),
        (raw(sender=b"Item"), "cannot exist"),
        (raw(sender=b"-item"), "cannot exist"),
        (raw(sender=b"item\n"), "cannot exist"),
        (raw(sender=b"it\xffem"), "cannot exist"),
        (raw(sender="ïtem".encode()), "cannot exist"),
        (raw(sender=b"*"), "cannot exist"),
        (raw(sender=b"x" * 33), "cannot exist"),
        (raw(recipient=b"**"), "cannot exist"),
        (raw(recipient=b"../item"), "cannot exist"),
        (raw(recipient=b"*"), "SEALED frame cannot go to"),
        (raw(kind=1), "GREETING frame cannot go to social"),
        (raw(kind=1, recipient=b"*", counter=1), "counter 1, not 0"),
    ],
)
def test_a_malformed_header_is_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(MalformedError, match=complaint):
        decode_frame(data, LIMITS)


def test_names_that_reach_beyond_the_frame_are_refused() -> None:
    prefix = PREFIX.pack(b"FR", 1, 2, 255, 255, 0)

    with pytest.raises(MalformedError, match="ends inside its names"):
        decode_frame(prefix + b"item", LIMITS)


def test_a_long_greeting_is_refused_before_it_is_read() -> None:
    header = Frame(FrameKind.GREETING, "item", EVERYONE, GREETING_COUNTER, b"").header()

    decode_frame(header + bytes(100), LIMITS)
    with pytest.raises(TooLargeError, match="greeting of 101 bytes is over the limit of 100"):
        decode_frame(header + bytes(101), LIMITS)


def test_a_refusal_shows_nothing_of_the_bytes() -> None:
    with pytest.raises(MalformedError) as refusal:
        decode_frame(raw(sender=b"SECRET!"), LIMITS)

    assert "SECRET" not in str(refusal.value)
