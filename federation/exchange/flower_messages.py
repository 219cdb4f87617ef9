"""What Flower's messages carry: one record of flat values, checked on its way in and out.

What a node answers is checked like any other bytes of a peer, and whatever it is becomes an
answer: a party that answers nonsense has failed, and nothing worse happens.
"""

import os
from collections.abc import Mapping
from typing import Final

# A privacy product phones nobody; Flower reads these once, when it is imported.
os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")

from flwr.app import ConfigRecord, Message, RecordDict

from federation.errors import MalformedError, TooLargeError
from federation.exchange.steering import Answer, Order, Scalar

RECORD: Final = "values"  # the one record of an order and of an answer
FAILED: Final = "failed"  # the one record of an answer that is none
KIND: Final = "kind"
MAX_VALUES: Final = 64
MAX_VALUE_BYTES: Final = 128 * 1024
MAX_REASON_CHARACTERS: Final = 300


def content_of(values: Order) -> RecordDict:
    """What carries an order or an answer.

    Raises:
        MalformedError, TooLargeError: Flower cannot carry it, or the other end would refuse it.
    """
    return RecordDict({RECORD: ConfigRecord(dict(_checked(values)))})


def values_of(message: Message) -> Order:
    """What an order or an answer says.

    Raises:
        MalformedError, TooLargeError: it is not one.
    """
    record = message.content.get(RECORD)
    if not isinstance(record, ConfigRecord):
        raise MalformedError(f"a message of Flower's has no {RECORD}")
    return _checked(record)


def _checked(values: Mapping[str, object]) -> Order:
    if len(values) > MAX_VALUES:
        raise TooLargeError(f"{len(values)} values in one message where {MAX_VALUES} may be")
    checked: dict[str, Scalar] = {}
    for key, value in values.items():
        if not isinstance(value, str | int | float | bytes):  # bool is an int
            raise MalformedError(f"{key[:MAX_REASON_CHARACTERS]!r} is a {type(value).__name__}")
        size = len(value) if isinstance(value, str | bytes) else 0
        if len(key) + size > MAX_VALUE_BYTES:
            raise TooLargeError(f"a value of {size} bytes where {MAX_VALUE_BYTES} are allowed")
        checked[key] = value
    return checked


def answer_of(reply: Message, *, party: str, order: int) -> Answer:
    """What a node answered, whatever it is."""
    if reply.has_error():
        code, reason = reply.error.code, reply.error.reason or "no reason given"
        return _failure(order, f"Flower has no answer of {party} (code {code}): {reason}")
    failed = reply.content.get(FAILED)
    if isinstance(failed, ConfigRecord):
        return _failure(order, f"{party} failed: {failed.get(KIND)!r}")
    try:
        return Answer(order=order, values=values_of(reply))
    except (MalformedError, TooLargeError) as error:
        return _failure(order, f"{party} answers with what is none: {error}")


def _failure(order: int, reason: str) -> Answer:
    text = "".join(each if each.isprintable() else " " for each in reason)
    return Answer(order=order, values={}, failure=text[:MAX_REASON_CHARACTERS])


def failure_content(kind: str) -> RecordDict:
    """What a party sends that cannot answer."""
    return RecordDict({FAILED: ConfigRecord({KIND: kind})})
