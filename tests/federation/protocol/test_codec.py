import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import MalformedError, TooLargeError
from federation.protocol.codec import KINDS, MAX_INTEGER, MAX_TEXT, decode_message, encode_message
from federation.protocol.limits import Limits
from federation.protocol.messages import (
    Activations,
    Collected,
    EpochEnd,
    Goodbye,
    Holdings,
    ItemPoints,
    Message,
    ResumeFrom,
    Stopped,
    SummedActivations,
)
from tests.federation.protocol.examples import MESSAGES

LIMITS = Limits(max_parts=8)
MIB = 1 << 20
INTEGERS = st.integers(0, MAX_INTEGER)
TEXTS = st.text(max_size=MAX_TEXT).filter(str.isprintable)
# What each field may hold, by kind and field: spelled out again, apart from the annotations.
FIELDS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "Greeting": {"job": st.binary(), "agreement": st.binary(), "ephemeral": st.binary()},
    "Holdings": {
        "alignment": st.binary(),
        "epochs": st.lists(INTEGERS, max_size=8).map(tuple),
    },
    "StartAfresh": {},
    "ResumeFrom": {"epoch": st.integers(-1, MAX_INTEGER), "finished": st.booleans()},
    "ItemPoints": {"points": st.binary()},
    "PartnerPoints": {"points": st.binary()},
    "ItemDoubled": {"points": st.binary()},
    "PartnerDoubled": {"points": st.binary()},
    "Slots": {"alignment": st.binary(), "total": INTEGERS, "slots": st.binary()},
    "SummingKey": {"public": st.binary()},
    "GradientKey": {"public": st.binary()},
    "Activations": {
        "step": INTEGERS,
        "rows": st.integers(1, MAX_INTEGER),
        "parts": st.lists(st.binary(), max_size=8).map(tuple),
    },
    "SummedActivations": {
        "step": INTEGERS,
        "rows": st.integers(1, MAX_INTEGER),
        "cohort": st.lists(TEXTS, max_size=8).map(tuple),
        "parts": st.lists(st.binary(), max_size=8).map(tuple),
    },
    "Collected": {"step": INTEGERS},
    "ClearGradients": {"step": INTEGERS, "values": st.binary()},
    "SealedGradients": {"step": INTEGERS, "parts": st.lists(st.binary(), max_size=8).map(tuple)},
    "MaskedProducts": {"step": INTEGERS, "parts": st.lists(st.binary(), max_size=8).map(tuple)},
    "ProductSums": {"step": INTEGERS, "sums": st.binary()},
    "EpochEnd": {"epoch": INTEGERS, "best": st.booleans()},
    "TrainingEnd": {"epoch": INTEGERS, "best": st.booleans()},
    "Goodbye": {},
    "Stopped": {"reason": TEXTS},
    "KeyConfirmation": {},
    "ProgressReport": {
        "stage": TEXTS,
        "done": INTEGERS,
        "total": INTEGERS,
        "recall": st.integers(-1, MAX_INTEGER),
    },
}
ANY_MESSAGE = st.one_of(*(st.builds(kind, **FIELDS[kind.__name__]) for kind in KINDS))
EACH = pytest.mark.parametrize(
    ("number", "message"), MESSAGES.items(), ids=[type(m).__name__ for m in MESSAGES.values()]
)


def values_of(message: Message) -> list[Any]:
    return [getattr(message, name) for name in FIELDS[type(message).__name__]]


def packed(number: object, *values: object) -> bytes:
    data: bytes = msgpack.packb([number, *values], use_bin_type=True)
    return data


@given(ANY_MESSAGE)
def test_every_message_survives_the_way_over_the_wire(message: Message) -> None:
    assert decode_message(encode_message(message), LIMITS) == message


@given(st.binary(max_size=64))
def test_any_bytes_give_a_message_or_a_typed_error(data: bytes) -> None:
    try:
        message = decode_message(data, LIMITS)
    except (MalformedError, TooLargeError):
        return
    assert isinstance(message, KINDS)


@given(ANY_MESSAGE, st.data())
def test_a_changed_byte_gives_a_message_or_a_typed_error(
    message: Message, data: st.DataObject
) -> None:
    encoded = bytearray(encode_message(message))
    where = data.draw(st.integers(0, len(encoded) - 1))
    encoded[where] ^= data.draw(st.integers(1, 255))

    try:
        changed = decode_message(bytes(encoded), LIMITS)
    except (MalformedError, TooLargeError):
        return
    assert isinstance(changed, KINDS)


@EACH
def test_a_message_cut_short_anywhere_is_refused(number: int, message: Message) -> None:
    data = encode_message(message)

    for end in range(len(data)):
        with pytest.raises(MalformedError):
            decode_message(data[:end], LIMITS)


@EACH
@pytest.mark.parametrize("trailing", [b"\x00", b"\xc0", b"\x90", b"\xff" * 40])
def test_bytes_after_a_message_are_refused(number: int, message: Message, trailing: bytes) -> None:
    with pytest.raises(MalformedError, match=f"{len(trailing)} bytes follow"):
        decode_message(encode_message(message) + trailing, LIMITS)


@EACH
def test_a_field_too_many_is_refused(number: int, message: Message) -> None:
    with pytest.raises(MalformedError, match="fields, not"):
        decode_message(packed(number, *values_of(message), 0), LIMITS)


@EACH
def test_a_field_too_few_is_refused(number: int, message: Message) -> None:
    fewer = [number, *values_of(message)][:-1]  # of a message without fields, not even the kind

    with pytest.raises(MalformedError):
        decode_message(msgpack.packb(fewer, use_bin_type=True), LIMITS)


WRONG: dict[type, list[object]] = {
    int: [None, True, False, 1.0, -2, MAX_INTEGER + 1, b"1", "1", [1], [], {}, {1: 1}],
    bool: [None, 0, 1, 1.0, b"", "true", [True], [], {}, {1: 1}],
    str: [None, 0, True, b"text", ["text"], [], {}, "x" * (MAX_TEXT + 1), "two\nlines", "\x1b[2J"],
    bytes: [None, 0, True, 1.0, "text", [b"x"], [], {}, {1: 1}],
    tuple: [None, 0, True, 1.0, "text", b"bytes", {}, {1: 1}, [None], [[b"x"]], [{}], [1.0]],
}
EXTENSIONS = [
    msgpack.ExtType(5, b""),
    msgpack.ExtType(5, b"data"),
    msgpack.ExtType(5, b"d" * 300),
    msgpack.Timestamp(1, 2),
]


@EACH
def test_a_field_of_another_type_is_refused(number: int, message: Message) -> None:
    values = values_of(message)
    for i, value in enumerate(values):
        for wrong in [*WRONG[type(value)], *EXTENSIONS]:
            changed = [*values[:i], wrong, *values[i + 1 :]]
            with pytest.raises(MalformedError):
                decode_message(packed(number, *changed), LIMITS)


@pytest.mark.parametrize("number", [None, True, False, -1, len(KINDS), 2**40, 1.0, "1", b"1", [0]])
def test_an_unknown_kind_is_refused(number: object) -> None:
    with pytest.raises(MalformedError):
        decode_message(packed(number), LIMITS)


@pytest.mark.parametrize("number", [0, 1])
def test_a_flag_is_no_number_of_a_kind(number: int) -> None:
    values = values_of(MESSAGES[number])
    assert decode_message(packed(number, *values), LIMITS) == MESSAGES[number]

    with pytest.raises(MalformedError, match="no known kind"):
        decode_message(packed(bool(number), *values), LIMITS)


@pytest.mark.parametrize(
    "value", [None, 7, True, 1.5, "text", b"bytes", {}, {0: 1}, msgpack.ExtType(1, b"x")]
)
def test_what_is_not_an_array_is_refused(value: object) -> None:
    with pytest.raises(MalformedError):
        decode_message(msgpack.packb(value), LIMITS)


@pytest.mark.parametrize(
    "message",
    [
        Collected(-1),
        Activations(0, 0, ()),
        Activations(-1, 1, ()),
        SummedActivations(0, 0, (), ()),
        ResumeFrom(-2, finished=False),
        EpochEnd(-1, best=False),
        Holdings(b"", (0, -1)),
    ],
    ids=repr,
)
def test_a_count_below_what_it_counts_is_refused(message: Message) -> None:
    with pytest.raises(MalformedError, match="not an integer from"):
        decode_message(encode_message(message), LIMITS)


def test_a_refused_field_is_named_and_its_value_is_not() -> None:
    with pytest.raises(MalformedError, match=r"^ItemPoints\.points: not bytes$"):
        decode_message(packed(4, "secret"), LIMITS)


@pytest.mark.parametrize("reason", ["forged\nline", "\x1b[31mred", "\u202eright to left", "a\x00"])
def test_a_text_that_could_rewrite_a_log_is_refused(reason: str) -> None:
    with pytest.raises(MalformedError, match="printable"):
        decode_message(encode_message(Stopped(reason)), LIMITS)


def test_a_text_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(MalformedError):
        decode_message(b"\x92\x15\xa2\xff\xfe", LIMITS)


def test_as_many_parts_as_the_limit_allows_are_read() -> None:
    message = Activations(0, 1, (b"x",) * LIMITS.max_parts)

    assert decode_message(encode_message(message), LIMITS) == message


@pytest.mark.parametrize(
    "message",
    [
        Activations(0, 1, (b"x",) * 9),
        SummedActivations(0, 1, ("a",) * 9, ()),
        Holdings(b"", tuple(range(9))),
    ],
    ids=lambda m: type(m).__name__,
)
def test_a_part_too_many_is_refused(message: Message) -> None:
    with pytest.raises(TooLargeError, match="9 parts are over the limit of 8"):
        decode_message(encode_message(message), LIMITS)


@pytest.mark.parametrize(
    "header",
    [
        b"\xdc\xff\xff",  # array of 2**16 - 1
        b"\xdd\xff\xff\xff\xff",  # array of 2**32 - 1
        b"\xdf\xff\xff\xff\xff",  # map
        b"\xc6\xff\xff\xff\xff",  # bytes
        b"\xdb\xff\xff\xff\xff",  # text
        b"\xc9\xff\xff\xff\xff\x05",  # extension
    ],
    ids=lambda h: h[:1].hex(),
)
@pytest.mark.parametrize(
    "before", [b"", b"\x92\x04", b"\x94\x0b\x00\x01", b"\x94\x0b\x00\x01\x91"]
)
def test_a_huge_declared_length_is_refused_at_no_cost(header: bytes, before: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises((MalformedError, TooLargeError)):
            decode_message(before + header, Limits())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < MIB


@pytest.mark.parametrize(
    "bomb",
    [
        b"\x91" * MIB,  # arrays in arrays
        b"\x81\x01" * MIB,  # maps in maps
        b"\x92\x04" + b"\x91" * MIB,
        b"\x94\x0b\x00\x01" + b"\x91" * MIB,
        b"\xdd\x00\x10\x00\x00" + b"\x90" * MIB,  # a million empty arrays
        b"\x92\x04\xdd\x00\x10\x00\x00" + b"\x90" * MIB,
        b"\x94\x0b\x00\x01\xdd\x00\x10\x00\x00" + b"\x90" * MIB,
        b"\x94\x0b\x00\x01\x91\xdd\x00\x10\x00\x00" + b"\x80" * MIB,
    ],
    ids=range(8),
)
def test_nested_or_crowded_bytes_take_no_more_memory_than_they_have(bomb: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises((MalformedError, TooLargeError)):
            decode_message(bomb, Limits())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < len(bomb) + 2 * MIB  # one copy, and the reader's own buffer


@pytest.mark.parametrize("encode", [bytes, bytearray, memoryview], ids=lambda e: e.__name__)
def test_any_buffer_of_bytes_is_read(encode: Callable[[bytes], bytes]) -> None:
    assert decode_message(encode(encode_message(Goodbye())), LIMITS) == Goodbye()


def test_payloads_are_read_as_they_were_sent() -> None:
    message = ItemPoints(bytes(range(256)) * 4096)

    assert decode_message(encode_message(message), LIMITS) == message
    assert decode_message(encode_message(replace(message, points=b"")), LIMITS) == ItemPoints(b"")
