"""Messages as bytes: a msgpack array of the kind's number and the fields in order.

msgpack carries integers, byte strings, text and arrays without any notion of classes, so decoding
runs no code of the sender's choosing. The kind says what is read next: every field is checked
against its annotation, and nothing that no message has (a map, an array in an array) is ever
built, so a message takes no more memory than its bytes.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final, TypeAlias, get_type_hints

import msgpack

from federation.errors import MalformedError, TooLargeError
from federation.protocol.limits import Limits
from federation.protocol.messages import (
    Activations,
    ClearGradients,
    Collected,
    EpochEnd,
    Goodbye,
    GradientKey,
    Greeting,
    Holdings,
    ItemDoubled,
    ItemPoints,
    KeyConfirmation,
    LastEpoch,
    MaskedProducts,
    Message,
    Millionths,
    PartnerDoubled,
    PartnerPoints,
    ProductSums,
    ProgressReport,
    ResumeFrom,
    Rows,
    SealedGradients,
    Slots,
    StartAfresh,
    Stopped,
    SummedActivations,
    SummingKey,
    TrainingEnd,
)

# The order is the wire format: append only.
KINDS: Final[tuple[type[Message], ...]] = (
    Greeting,
    Holdings,
    StartAfresh,
    ResumeFrom,
    ItemPoints,
    PartnerPoints,
    ItemDoubled,
    PartnerDoubled,
    Slots,
    SummingKey,
    GradientKey,
    Activations,
    SummedActivations,
    Collected,
    ClearGradients,
    SealedGradients,
    MaskedProducts,
    ProductSums,
    EpochEnd,
    TrainingEnd,
    Goodbye,
    Stopped,
    KeyConfirmation,
    ProgressReport,
)
NUMBERS: Final[Mapping[type[Message], int]] = {kind: n for n, kind in enumerate(KINDS)}
MAX_INTEGER: Final = (1 << 63) - 1
MAX_TEXT: Final = 1024  # characters of a name or a reason


def encode_message(message: Message) -> bytes:
    """The message as bytes."""
    kind = type(message)
    values = [getattr(message, name) for name, _ in SCHEMAS[kind]]
    packed: bytes = msgpack.packb([NUMBERS[kind], *values], use_bin_type=True)
    return packed


def decode_message(data: bytes, limits: Limits) -> Message:
    """Read one message.

    Raises:
        TooLargeError: more parts than the limits allow.
        MalformedError: anything else that is not exactly one known message.
    """
    unpacker = msgpack.Unpacker(
        raw=False, max_buffer_size=len(data), max_array_len=0, max_map_len=0, max_ext_len=0
    )
    try:
        unpacker.feed(data)
        message = _read_message(unpacker, limits)
        read = unpacker.tell()
    except (ValueError, msgpack.exceptions.UnpackException) as error:
        raise MalformedError(f"the bytes are not a message ({type(error).__name__})") from None
    if read != len(data):
        raise MalformedError(f"{len(data) - read} bytes follow {type(message).__name__}")
    return message


def _read_message(unpacker: msgpack.Unpacker, limits: Limits) -> Message:
    size = unpacker.read_array_header()
    number = unpacker.unpack()
    if type(number) is not int or not 0 <= number < len(KINDS):
        raise MalformedError("the bytes are no known kind of message")
    kind = KINDS[number]
    if size != 1 + len(SCHEMAS[kind]):
        raise MalformedError(f"{kind.__name__} has {len(SCHEMAS[kind])} fields, not {size - 1}")
    values = []
    for name, read in SCHEMAS[kind]:
        try:
            values.append(read(unpacker, limits))
        except MalformedError as error:
            raise MalformedError(f"{kind.__name__}.{name}: {error}") from None
    return kind(*values)


Check: TypeAlias = Callable[[object], Any]
Reader: TypeAlias = Callable[[msgpack.Unpacker, Limits], Any]


def _integer(least: int) -> Check:
    def check(value: object) -> int:
        # A bool is an int to isinstance, and nothing but an int here.
        if type(value) is not int or not least <= value <= MAX_INTEGER:
            raise MalformedError(f"not an integer from {least}")
        return value

    return check


def _flag(value: object) -> bool:
    if type(value) is not bool:
        raise MalformedError("not a flag")
    return value


def _text(value: object) -> str:
    # Texts end up in logs and on terminals, where control characters could pose as other lines.
    if type(value) is not str or len(value) > MAX_TEXT or not value.isprintable():
        raise MalformedError("not a short, printable text")
    return value


def _bytes(value: object) -> bytes:
    if type(value) is not bytes:
        raise MalformedError("not bytes")
    return value


def _one(check: Check) -> Reader:
    def read(unpacker: msgpack.Unpacker, _: Limits) -> object:
        return check(unpacker.unpack())

    return read


def _many(check: Check) -> Reader:
    def read(unpacker: msgpack.Unpacker, limits: Limits) -> tuple[Any, ...]:
        try:
            count = unpacker.read_array_header()
        except ValueError:
            raise MalformedError("not a list") from None
        if count > limits.max_parts:
            raise TooLargeError(f"{count} parts are over the limit of {limits.max_parts}")
        return tuple(check(unpacker.unpack()) for _ in range(count))

    return read


READERS: Final[Mapping[object, Reader]] = {
    int: _one(_integer(0)),
    Rows: _one(_integer(1)),
    LastEpoch: _one(_integer(-1)),
    Millionths: _one(_integer(-1)),
    bool: _one(_flag),
    str: _one(_text),
    bytes: _one(_bytes),
    tuple[int, ...]: _many(_integer(0)),
    tuple[str, ...]: _many(_text),
    tuple[bytes, ...]: _many(_bytes),
}


def _schema(kind: type[Message]) -> tuple[tuple[str, Reader], ...]:
    hints = get_type_hints(kind, include_extras=True)
    return tuple((field.name, READERS[hints[field.name]]) for field in fields(kind))


SCHEMAS: Final = {kind: _schema(kind) for kind in KINDS}
