"""What a ledger adds up to, and whether it can be true: for auditors."""

from dataclasses import dataclass, field
from pathlib import Path

from parties.errors import LedgerDamagedError
from parties.ledger_lines import Closed, Line, Noted, Opened, Place, Torn
from parties.ledger_reading import Chain, walk

Key = tuple[str, str, str, str]  # phase, recipient, kind, protection


@dataclass(slots=True)
class Total:
    """Releases of one kind to one recipient.

    Args:
        first: when the first one was; ISO 8601, UTC.
        last: when the last one was.
        frames: how many there were.
        bytes: of their frames together.
    """

    first: str
    last: str
    frames: int = 0
    bytes: int = 0


@dataclass(slots=True)
class SessionCount:
    """One session of a run.

    Args:
        opened: its first line.
        began: when that was.
        noted: phase → frames and bytes in the ledger.
        wire: what the link handed to the wire, as its closing line says; None without one.
    """

    opened: Opened
    began: str
    noted: dict[str, tuple[int, int]] = field(default_factory=dict)
    wire: Closed | None = None


@dataclass(slots=True)
class Audit:
    """One ledger, read to its end or to its first fault.

    Args:
        path: its file.
        place: how many lines there are, and the digest of the last one.
        totals: what left, in the order it first did.
        sessions: in their order; the last one may still be open.
        faults: why the ledger cannot be taken for the truth; none if it can.
        remarks: what an auditor should know and that is no fault.
    """

    path: Path
    place: Place = field(default_factory=Place)
    totals: dict[Key, Total] = field(default_factory=dict)
    sessions: list[SessionCount] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def audit_ledger(path: Path) -> Audit:
    """Add up a ledger and check it: its chain, its head, and its sums against the wire's.

    A fault ends the reading: lines behind it are not counted.

    Raises:
        LedgerError: the file cannot be read.
    """
    audit, chain = Audit(path), Chain()
    try:
        for line in walk(path, chain):
            _take(audit, line, f"line {chain.place.lines}")
    except LedgerDamagedError as error:
        audit.faults.append(str(error))
    audit.place = chain.place
    if chain.rest:
        audit.remarks.append(
            f"an unfinished line of {len(chain.rest)} bytes follows line {chain.place.lines}: it "
            "is being written, or a crash cut it off; its frame has not left"
        )
    for session in audit.sessions:
        _compare(audit, session)
    return audit


def _take(audit: Audit, line: Line, where: str) -> None:
    match line.event:
        case Opened() as opened:
            audit.sessions.append(SessionCount(opened, line.time))
        case Noted() as noted:
            session = _open_session(audit, noted.session, where)
            frames, size = session.noted.get(noted.phase, (0, 0))
            session.noted[noted.phase] = (frames + 1, size + noted.bytes)
            key = (noted.phase, noted.to, noted.kind, noted.protection)
            total = audit.totals.setdefault(key, Total(first=line.time, last=line.time))
            total.frames, total.bytes = total.frames + 1, total.bytes + noted.bytes
            total.last = line.time
        case Closed() as closed:
            _open_session(audit, closed.session, where).wire = closed
        case Torn() as torn:
            audit.remarks.append(
                f"{where}: an unfinished line of {torn.bytes} bytes was set aside in {torn.file}; "
                "its frame had not left"
            )


def _open_session(audit: Audit, name: str, where: str) -> SessionCount:
    last = audit.sessions[-1] if audit.sessions else None
    if last is None or last.opened.session != name or last.wire is not None:
        raise LedgerDamagedError(f"{audit.path}, {where}: session {name} is not open there")
    return last


def _compare(audit: Audit, session: SessionCount) -> None:
    """What the link counted on the wire must be in the ledger; the ledger may have more."""
    name = session.opened.session
    if session.wire is None:
        audit.remarks.append(
            f"session {name} has no end: it still runs, or its process was killed"
        )
        return
    for phase, sent in session.wire.frames.items():
        frames, size = session.noted.get(phase, (0, 0))
        wire = session.wire.bytes[phase]
        if sent > frames or wire > size:
            audit.faults.append(
                f"session {name}, {phase}: {sent} frames of {wire} bytes went to the wire and "
                f"{frames} of {size} bytes are in the ledger"
            )
        elif (sent, wire) != (frames, size):
            audit.remarks.append(
                f"session {name}, {phase}: {frames - sent} frames of {size - wire} bytes were "
                "noted and then not sent, because the link failed"
            )
