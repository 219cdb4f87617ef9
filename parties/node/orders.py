"""What the coordinator asks a party to do in one session, and what the party answers.

Both are flat mappings of a few hundred bytes, as Flower carries them; both are read strictly,
since they come from another organisation.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, TypeVar

from federation.errors import MalformedError
from federation.exchange.steering import Order, Scalar
from federation.exchange.traffic import Stage

VERSION: Final = 1
IDENTIFIER_BYTES: Final = 16
TOKEN_BYTES: Final = 32
MAX_SETTINGS_CHARACTERS: Final = 65_536
REASON_CHARACTERS: Final = 300
STAGES: Final = frozenset(stage.value for stage in Stage)

Value = TypeVar("Value", str, int, bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOrder:
    """Coordinator → party: join a session of a job.

    Args:
        job: 16 bytes that name the run through all its sessions.
        session: 16 bytes that name this session at the hub.
        number: of the session in its job, from 1.
        token: 32 bytes that admit this party to this session, and nobody else.
        settings: the run's settings, nested as in `to_plain`.
    """

    job: bytes
    session: bytes
    number: int
    token: bytes = field(repr=False)
    settings: Mapping[str, Any]

    def to_values(self) -> Order:
        """As a flat mapping."""
        return {
            "version": VERSION,
            "job": self.job,
            "session": self.session,
            "number": self.number,
            "token": self.token,
            "settings": json.dumps(self.settings, sort_keys=True),
        }

    @classmethod
    def from_values(cls, values: Order) -> "SessionOrder":
        """Read a coordinator's order.

        Raises:
            MalformedError: it is none, or one of another version.
        """
        version = _value(values, "version", int)
        if version != VERSION:
            raise MalformedError(
                f"the coordinator orders sessions in version {version} and this party knows "
                f"{VERSION}: bring both to the same release of fedrecall"
            )
        number = _value(values, "number", int)
        if number < 1:
            raise MalformedError(f"a session order has the number {number}")
        return cls(
            job=_identifier(values, "job", IDENTIFIER_BYTES),
            session=_identifier(values, "session", IDENTIFIER_BYTES),
            number=number,
            token=_identifier(values, "token", TOKEN_BYTES),
            settings=_settings(values),
        )


class Ending(Enum):
    """How a party's session ended.

    DONE: the party has all it wanted.
    LOST: another party went away; a new session goes on from the checkpoints.
    FAILED: something that a new session may mend went wrong.
    REFUSED: this party will not take part on these terms, however often it is asked.
    """

    DONE = "done"
    LOST = "lost"
    FAILED = "failed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionReport:
    """Party → coordinator: how its session ended and what it cost.

    Args:
        ending: how.
        reason: why, unless it is done; no data of any user.
        sent: stage → bytes this party sent.
        values: numbers of embeddings it sent, protected.
        clipped: how many of them were cut to the fixed-point range.
    """

    ending: Ending
    reason: str = ""
    sent: Mapping[str, int] = field(default_factory=dict)
    values: int = 0
    clipped: int = 0

    def to_values(self) -> Order:
        """As a flat mapping."""
        return {
            "ending": self.ending.value,
            "reason": self.reason[:REASON_CHARACTERS],
            "sent": json.dumps(dict(self.sent)),
            "values": self.values,
            "clipped": self.clipped,
        }

    @classmethod
    def from_values(cls, values: Order) -> "SessionReport":
        """Read a party's report; raises MalformedError when it is none."""
        try:
            ending = Ending(_value(values, "ending", str))
        except ValueError:
            raise MalformedError("a session report names no known ending") from None
        return cls(
            ending=ending,
            reason=printable(_value(values, "reason", str)),
            sent=_counts(_value(values, "sent", str)),
            values=_count(_value(values, "values", int)),
            clipped=_count(_value(values, "clipped", int)),
        )


def printable(text: str) -> str:
    """Text from outside, short and without control characters: it goes to logs and terminals."""
    return "".join(c if c.isprintable() else " " for c in text[:REASON_CHARACTERS])


def _value(values: Order, key: str, kind: type[Value]) -> Value:
    value: Scalar | None = values.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise MalformedError(f"{key} is missing, or not of type {kind.__name__}")
    return value


def _identifier(values: Order, key: str, size: int) -> bytes:
    value = _value(values, key, bytes)
    if len(value) != size:
        raise MalformedError(f"{key} has {len(value)} bytes where {size} are due")
    return value


def _settings(values: Order) -> Mapping[str, Any]:
    settings = _json(_value(values, "settings", str))
    if not isinstance(settings, dict):
        raise MalformedError("the settings of a session order are no mapping")
    return settings


def _counts(text: str) -> Mapping[str, int]:
    counts = _json(text)
    if not isinstance(counts, dict):
        raise MalformedError("the bytes of a session report are no mapping")
    if not counts.keys() <= STAGES:
        raise MalformedError("a session report counts the bytes of a stage that is none")
    return {stage: _count(count) for stage, count in counts.items()}


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise MalformedError(f"a session report has a {type(value).__name__} that is no count")
    return value


def _json(text: str) -> object:
    if len(text) > MAX_SETTINGS_CHARACTERS:
        raise MalformedError(f"{len(text)} characters where {MAX_SETTINGS_CHARACTERS} are allowed")
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        raise MalformedError("a message's text is not JSON") from None
    return value
