"""Reading a ledger: line by line along its chain, up to the first one that does not belong."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from parties.errors import LedgerDamagedError, LedgerError
from parties.ledger_lines import Line, Place, decode_line

HEAD_SUFFIX: Final = ".head"
TORN_SUFFIX: Final = ".torn-"


@dataclass(slots=True)
class Chain:
    """What a ledger's file holds.

    Args:
        place: behind its last whole line.
        size: bytes of its whole lines.
        rest: what follows them without an end of line.
    """

    place: Place = field(default_factory=Place)
    size: int = 0
    rest: bytes = field(default=b"", repr=False)


def head_of(path: Path) -> Path:
    """The file that says how far a ledger had come when it was last safe on disk."""
    return path.with_suffix(HEAD_SUFFIX)


def walk(path: Path, chain: Chain) -> Iterator[Line]:
    """The lines of a ledger in order; `chain` is kept up to the last line given.

    Raises:
        LedgerDamagedError: a line is not one of this chain, or lines that were there are gone;
            names the file and the line.
        LedgerError: the file cannot be read.
    """
    head = read_head(path) or chain.place
    with disk_errors(path, "read"), path.open("rb") as file:
        for data in file:
            if not data.endswith(b"\n"):
                chain.rest = data
                break
            line = _follow(path, chain, data)
            if chain.place.lines == head.lines and chain.place != head:
                raise LedgerDamagedError(
                    f"{path}, line {head.lines}: it is another one than {head_of(path).name} says"
                )
            yield line
    if chain.place.lines < head.lines:
        raise LedgerDamagedError(
            f"{path}: of {head.lines} lines that were safe on disk, {chain.place.lines} are left"
        )


def _follow(path: Path, chain: Chain, data: bytes) -> Line:
    try:
        line = decode_line(data, chain.place)
    except LedgerDamagedError as error:
        raise LedgerDamagedError(f"{path}, line {chain.place.lines + 1}: {error}") from None
    chain.place = chain.place.after(data)
    chain.size += len(data)
    return line


def read_head(path: Path) -> Place | None:
    """How far the ledger at `path` had come when it was last safe on disk; None if never.

    Raises:
        LedgerDamagedError: the head is not one.
        LedgerError: it cannot be read.
    """
    head = head_of(path)
    if not head.exists():
        return None
    with disk_errors(head, "read"):
        data = head.read_bytes()
    try:
        content = json.loads(data)
        lines, digest = content["lines"], content["digest"]
    except (ValueError, TypeError, KeyError, RecursionError):
        lines = digest = None
    if type(lines) is not int or not isinstance(digest, str):
        raise LedgerDamagedError(f"{head} is damaged")
    return Place(lines, digest)


def head_content(place: Place) -> bytes:
    """The content of the head of a ledger that stands at `place`."""
    return json.dumps({"lines": place.lines, "digest": place.digest}).encode() + b"\n"


@contextmanager
def disk_errors(path: Path, done: str) -> Iterator[None]:
    """Turn what the disk refuses into an error that names the file and the remedy."""
    try:
        yield
    except OSError as error:
        raise LedgerError(
            f"{path} cannot be {done}: {error.strerror}; nothing leaves this party until it can: "
            "free space or mend the permissions, then start again"
        ) from error
