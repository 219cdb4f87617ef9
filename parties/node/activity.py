"""What a node's newest job is at, read from the state folder: what health and status report."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from parties.errors import JobError
from parties.node.jobs import all_jobs
from parties.node.paths import StatePaths

MAX_READ_BYTES: Final = 4 * 1024 * 1024  # of a ledger, at a time; the rest comes next time


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What a node's newest job is at.

    Args:
        job: its name; empty if there was none.
        status: at the coordinator, where it stands.
        session: at the coordinator, the number of its session; elsewhere how many this party
            joined.
        stage: what the session is busy with.
        step: steps done of the stage.
        steps: steps of the stage there are at most; 0 where that is not known.
        last: Unix seconds of the last progress; 0 if there was none.
        sent: bytes handed to the wire, by phase or by party and phase.
        missing: at the coordinator, parties that are waited for.
        reason: at the coordinator, why it waits or ended.
    """

    job: str = ""
    status: str = ""
    session: int = 0
    stage: str = ""
    step: int = 0
    steps: int = 0
    last: float = 0.0
    sent: Mapping[str, int] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    reason: str = ""


def coordinator_activity(state: Path) -> Activity:
    """What a coordinator's newest job is at.

    Raises:
        JobError: a job's file is damaged.
    """
    jobs = all_jobs(state)
    if not jobs:
        return Activity()
    job, now = jobs[-1], jobs[-1].progress()
    sent = {
        f"{party} {stage}": count
        for party, stages in now.sent.items()
        for stage, count in stages.items()
    }
    return Activity(
        job=job.name,
        status=now.status.value,
        session=now.session,
        stage=now.stage,
        step=now.done,
        steps=now.total,
        last=now.updated,
        sent=sent,
        missing=tuple(now.missing),
        reason=now.reason,
    )


class LedgerFollower:
    """Counts what a party's newest ledger says, reading only what was appended."""

    def __init__(self, state: Path) -> None:
        self._jobs = StatePaths(state).jobs
        self._path: Path | None = None
        self._read = 0
        self._activity = Activity()

    def activity(self) -> Activity:
        """What the party's newest job is at."""
        newest = self._newest()
        if newest is None:
            return self._activity
        if newest != self._path:
            self._path, self._read = newest, 0
            self._activity = Activity(job=newest.parent.name)
        self._follow(newest)
        return self._activity

    def _newest(self) -> Path | None:
        ledgers = [(path.stat().st_mtime_ns, path) for path in self._jobs.glob("*/ledger.jsonl")]
        return max(ledgers)[1] if ledgers else None

    def _follow(self, path: Path) -> None:
        with path.open("rb") as file:
            file.seek(self._read)
            data = file.read(MAX_READ_BYTES)
            last = path.stat().st_mtime
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        seen = self._activity
        session, stage, step, sent = seen.session, seen.stage, seen.step, dict(seen.sent)
        for line in whole.splitlines():
            content = _content(line)
            if content.get("event") == "opened":
                session, step = session + 1, 0
            elif content.get("event") == "release":
                stage = str(content.get("phase"))
                step = int(content.get("step") or 0)
                sent[stage] = sent.get(stage, 0) + int(content.get("bytes") or 0)
        self._activity = Activity(
            job=seen.job, session=session, stage=stage, step=step, last=last, sent=sent
        )


def _content(line: bytes) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except ValueError:  # `fedrecall node ledger` is what judges a ledger
        return {}
    return content if isinstance(content, dict) else {}


def quietly(state: Path) -> Activity:
    """A coordinator's activity, or none where a job's file is damaged."""
    try:
        return coordinator_activity(state)
    except JobError as error:
        return Activity(reason=str(error))
