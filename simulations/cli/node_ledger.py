"""`fedrecall node ledger`: what left a party, for its auditor."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from parties.errors import JobError, LedgerDamagedError
from parties.ledger_audit import Audit, SessionCount, audit_ledger
from parties.node.party_file import FILE_NAME, read_party_file
from simulations.cli.complaints import say

LEDGER_NAME: Final = "ledger.jsonl"
VERSION: Final = 1


def ledger(
    party: Annotated[
        Path, typer.Argument(help="A party's folder, its party.toml, or a ledger's own file.")
    ],
    job: Annotated[
        str | None, typer.Option(help="One job, in hexadecimal.", show_default="all")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Fail if a ledger cannot be taken for the truth.")
    ] = False,
) -> None:
    """Show what left a party: when, to whom, how much, and what protected it.

    Every ledger is read along its chain and compared with what the link counted on the wire.
    """
    audits = [audit_ledger(path) for path in _ledgers(party, job)]
    if as_json:
        page = {"version": VERSION, "ledgers": [_plain(audit) for audit in audits]}
        sys.stdout.write(json.dumps(page, indent=2) + "\n")
    else:
        for audit in audits:
            _show(audit)
    if verify:
        _refuse(audits)


def _ledgers(party: Path, job: str | None) -> Sequence[Path]:
    if party.is_file() and party.name != FILE_NAME and job is None:
        return [party]
    file = read_party_file(party / FILE_NAME if party.is_dir() else party)
    found = sorted(file.paths.jobs.glob(f"*/{LEDGER_NAME}"), key=lambda path: path.stat().st_mtime)
    if job is not None:
        found = [path for path in found if path.parent.name == job.lower()]
    if not found:
        what = f"job {job}" if job else "any job"
        raise JobError(f"{file.paths.jobs} holds no ledger of {what}")
    return found


def _refuse(audits: Sequence[Audit]) -> None:
    faulty = [audit for audit in audits if audit.faults]
    if faulty:
        count = sum(len(audit.faults) for audit in faulty)
        raise LedgerDamagedError(
            f"{faulty[0].faults[0]}{f' (and {count - 1} more)' if count > 1 else ''}"
        )


def _show(audit: Audit) -> None:
    party, job = _whose(audit)
    say(f"{party} · job {job} · {_counted(len(audit.sessions), 'session')} · {audit.path}")
    Console().print(_table(audit))
    wire = [session.wire for session in audit.sessions if session.wire is not None]
    frames = sum(sum(closed.frames.values()) for closed in wire)
    size = sum(sum(closed.bytes.values()) for closed in wire)
    say(f"on the wire, as the link counted: {frames:,} frames, {size:,} bytes")
    for fault in audit.faults:
        say(f"FAULT: {fault}")
    for remark in audit.remarks:
        say(f"note: {remark}")
    verdict = "cannot be taken for the truth" if audit.faults else "chain, head and sums agree"
    say(f"{verdict}; {audit.place.lines} lines, digest {audit.place.digest}\n")


def _table(audit: Audit) -> Table:
    table = Table()
    for name in ("phase", "to", "message"):
        table.add_column(name, no_wrap=True)
    for name in ("frames", "bytes"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("first (UTC)", "last (UTC)"):
        table.add_column(name, no_wrap=True)
    table.add_column("protection")
    for (phase, to, kind, protection), total in sorted(audit.totals.items()):
        counts = (f"{total.frames:,}", f"{total.bytes:,}", _short(total.first), _short(total.last))
        table.add_row(phase, to, kind, *counts, protection)
    return table


def _short(time: str) -> str:
    """A time to the second, without its date's century or zone."""
    return time[2:19].replace("T", " ")


def _whose(audit: Audit) -> tuple[str, str]:
    if not audit.sessions:
        return "unknown party", "unknown"
    opened = audit.sessions[0].opened
    return opened.party, opened.job


def _plain(audit: Audit) -> dict[str, Any]:
    party, job = _whose(audit)
    return {
        "path": str(audit.path),
        "party": party,
        "job": job,
        "lines": audit.place.lines,
        "digest": audit.place.digest,
        "releases": [
            {
                "phase": phase,
                "to": to,
                "kind": kind,
                "protection": protection,
                "frames": total.frames,
                "bytes": total.bytes,
                "first": total.first,
                "last": total.last,
            }
            for (phase, to, kind, protection), total in audit.totals.items()
        ],
        "sessions": [_plain_session(session) for session in audit.sessions],
        "faults": audit.faults,
        "remarks": audit.remarks,
    }


def _plain_session(session: SessionCount) -> dict[str, Any]:
    opened, wire = session.opened, session.wire
    return {
        "session": opened.session,
        "began": session.began,
        "profile": opened.profile,
        "scheme": opened.scheme,
        "masked": opened.masked,
        "noted": {
            phase: {"frames": frames, "bytes": size}
            for phase, (frames, size) in session.noted.items()
        },
        "wire": None
        if wire is None
        else {
            phase: {"frames": wire.frames[phase], "bytes": wire.bytes[phase]}
            for phase in wire.frames
        },
    }


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
