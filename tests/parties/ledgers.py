"""Ledgers of a made party, for tests."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

from federation.crypto.cipher import Scheme
from federation.exchange.traffic import Release, Traffic
from federation.protocol.messages import Activations, Goodbye, Holdings, Message
from federation.protocol.profile import Profile
from parties.ledger import Ledger
from parties.protection import Protection

JOB: Final = bytes(range(16))
SESSION: Final = bytes(range(16, 32))
STRICT: Final = Protection(profile=Profile.STRICT, scheme=Scheme.BFV, masked=True)
SOME: Final = (
    (Holdings(b"", ()), "item", 60),
    (Activations(3, 128, ()), "coordinator", 1000),
    (Activations(4, 128, ()), "coordinator", 1001),
)


def opened(path: Path, **other: Any) -> AbstractContextManager[Ledger]:  # noqa: ANN401
    """The ledger of `social`, or of another party, job, session or protection."""
    usual: dict[str, Any] = {
        "party": "social",
        "job": JOB,
        "session": SESSION,
        "protection": STRICT,
    }
    return Ledger.opened(path, **{**usual, **other})


def note_some(ledger: Ledger, *, wire: Traffic | None = None) -> None:
    """Note a few releases, and count them as sent."""
    for message, recipient, size in SOME:
        ledger.note(Release.of(message, recipient, size))
        if wire is not None:
            wire.count(message, size)


def whole_session(path: Path, **other: Any) -> None:  # noqa: ANN401
    """A session from its beginning to its end."""
    with opened(path, **other) as ledger:
        wire = Traffic()
        note_some(ledger, wire=wire)
        ledger.close_session(wire)


def release(message: Message | None = None) -> Release:
    """A small release."""
    return Release.of(message or Goodbye(), "item", 50)


def lines_of(path: Path) -> list[dict[str, Any]]:
    """What a ledger's lines say."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def events(path: Path) -> Iterator[str]:
    """The event of each line."""
    return (line["event"] for line in lines_of(path))
