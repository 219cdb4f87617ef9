"""The lines of a ledger: JSON objects, each of which carries the digest of the line before it.

A line is one of four events. It is written whole, with its number and the SHA-256 of the bytes of
the line before, newline included; so a line that was changed, removed or slipped in breaks the
chain behind it.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Any, Final, TypeAlias, get_type_hints

from federation.exchange.traffic import Stage
from parties.errors import LedgerDamagedError

FIRST: Final = "0" * 64  # stands for the line before the first one
MAX_LINE_BYTES: Final = 4096  # no line is longer; more is no line of a ledger
STAGES: Final = frozenset(stage.value for stage in Stage)

Counts: TypeAlias = dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A session begins: who takes part in what, and how it is protected."""

    party: str
    job: str  # hexadecimal, as the session
    session: str
    profile: str
    scheme: str
    masked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """One frame is about to leave."""

    session: str
    phase: str
    kind: str
    step: int | None
    to: str
    bytes: int
    protection: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """A session is over: what was handed to the wire in all, by phase."""

    session: str
    frames: Counts
    bytes: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Torn:
    """The end of an unfinished line was found and set aside; its frame never left."""

    file: str
    bytes: int
    sha256: str


Event: TypeAlias = Opened | Noted | Closed | Torn
EVENTS: Final[Mapping[str, type[Event]]] = MappingProxyType(
    {"opened": Opened, "release": Noted, "closed": Closed, "torn": Torn}
)
NAMES: Final[Mapping[type[Event], str]] = {kind: name for name, kind in EVENTS.items()}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a chain of lines stands: how many there are, and the digest of the last one."""

    lines: int = 0
    digest: str = FIRST

    def after(self, line: bytes) -> "Place":
        """The place behind one more line."""
        return Place(self.lines + 1, hashlib.sha256(line).hexdigest())


@dataclass(frozen=True, slots=True)
class Line:
    """An event and when it was."""

    time: str  # ISO 8601, UTC
    event: Event


def encode_line(line: Line, place: Place) -> bytes:
    """A line of the chain that stands at `place`, newline included."""
    head = {"n": place.lines, "time": line.time, "event": NAMES[type(line.event)]}
    content = {**head, **asdict(line.event), "before": place.digest}
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"


def decode_line(data: bytes, place: Place) -> Line:
    """Read the line behind `place`.

    Raises:
        LedgerDamagedError: it is no line of a ledger, or not the one that belongs here.
    """
    try:
        content = json.loads(data) if len(data) <= MAX_LINE_BYTES else None
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise LedgerDamagedError("it is not a JSON object of a ledger")
    number, before = content.pop("n", None), content.pop("before", None)
    if (number, before) != (place.lines, place.digest):
        raise LedgerDamagedError("it does not follow the line before it")
    time, kind = content.pop("time", None), EVENTS.get(str(content.pop("event", None)))
    if not isinstance(time, str) or kind is None:
        raise LedgerDamagedError("it says of no known event when it was")
    return Line(time, _event(kind, content))


def _event(kind: type[Event], content: dict[str, Any]) -> Event:
    checks = SCHEMAS[kind]
    fits = content.keys() == checks.keys()
    if not fits or not all(check(content[name]) for name, check in checks.items()):
        raise LedgerDamagedError(f"it is no event {NAMES[kind]!r}")
    return kind(**content)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.isprintable()


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_counts(value: object) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == STAGES
        and all(_is_count(count) for count in value.values())
    )


CHECKS: Final[Mapping[object, Callable[[object], bool]]] = {
    str: _is_text,
    int: _is_count,
    bool: lambda value: type(value) is bool,
    int | None: lambda value: value is None or _is_count(value),
    Counts: _is_counts,
}


def _schema(kind: type[Event]) -> dict[str, Callable[[object], bool]]:
    hints = get_type_hints(kind)
    return {field.name: CHECKS[hints[field.name]] for field in fields(kind)}


SCHEMAS: Final = {kind: _schema(kind) for kind in EVENTS.values()}
