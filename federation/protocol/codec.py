"""Messages as bytes: a msgpack array of the kind's number and the fields in order.

msgpack carries integers, byte strings, text and arrays without any notion of classes, so decoding
runs no code of the sender's choosing. Every field is checked against its annotation.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final, get_type_hints

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
    MaskedProducts,
    Message,
    PartnerDoubled,
    PartnerPoints,
    ProductSums,
    ResumeFrom,
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
    match _unpack(data):
        case [int() as number, *values] if 0 <= number < len(KINDS) and number is not True:
            return _build(KINDS[number], values, limits)
        case _:
            raise MalformedError("the bytes are not a message")


def _unpack(data: bytes) -> object:
    try:
        unpacked: object = msgpack.unpackb(data, raw=False, use_list=True, max_map_len=0)
    except (ValueError, msgpack.exceptions.UnpackException, RecursionError) as error:
        raise MalformedError(f"the bytes are not msgpack ({type(error).__name__})") from None
    return unpacked


def _build(kind: type[Message], values: list[Any], limits: Limits) -> Message:
    hints = SCHEMAS[kind]
    if len(values) != len(hints):
        raise MalformedError(f"{kind.__name__} has {len(hints)} fields, not {len(values)}")
    checked = []
    for (name, check), value in zip(hints, values, strict=True):
        try:
            checked.append(check(value, limits))
        except MalformedError as error:
            raise MalformedError(f"{kind.__name__}.{name}: {error}") from None
    return kind(*checked)


Check = Callable[[object, Limits], Any]


def _integer(value: object, _: Limits) -> int:
    if type(value) is not int or not -1 <= value <= MAX_INTEGER:
        raise MalformedError("not a count")
    return value


def _flag(value: object, _: Limits) -> bool:
    if type(value) is not bool:
        raise MalformedError("not a flag")
    return value


def _text(value: object, _: Limits) -> str:
    if type(value) is not str or len(value) > MAX_TEXT:
        raise MalformedError("not a short text")
    return value


def _bytes(value: object, _: Limits) -> bytes:
    if type(value) is not bytes:
        raise MalformedError("not bytes")
    return value


def _many(check: Check) -> Check:
    def check_all(value: object, limits: Limits) -> tuple[Any, ...]:
        if type(value) is not list:
            raise MalformedError("not a list")
        if len(value) > limits.max_parts:
            raise TooLargeError(f"{len(value)} parts are over the limit of {limits.max_parts}")
        return tuple(check(each, limits) for each in value)

    return check_all


CHECKS: Final[Mapping[object, Check]] = {
    int: _integer,
    bool: _flag,
    str: _text,
    bytes: _bytes,
    tuple[int, ...]: _many(_integer),
    tuple[str, ...]: _many(_text),
    tuple[bytes, ...]: _many(_bytes),
}


def _schema(kind: type[Message]) -> tuple[tuple[str, Check], ...]:
    hints = get_type_hints(kind)
    return tuple((field.name, CHECKS[hints[field.name]]) for field in fields(kind))


SCHEMAS: Final = {kind: _schema(kind) for kind in KINDS}
