"""A coordinator's jobs: what was asked for, how far it is, and whether to stop.

state/jobs/<id>/job.json        what was asked for, written once
state/jobs/<id>/progress.json   how far it is, replaced whole
state/jobs/<id>/stop            somebody asked to stop
"""

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any, Final

from parties.checkpoints import write_whole
from parties.config import RunConfig
from parties.errors import JobError
from parties.node.orders import IDENTIFIER_BYTES
from parties.settings import from_plain, to_plain

VERSION: Final = 1


class JobStatus(Enum):
    """Where a job stands."""

    WAITING = "waiting"  # for a party, or for its first session
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self in (JobStatus.DONE, JobStatus.STOPPED, JobStatus.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress:
    """How far a job is.

    Args:
        status: where it stands.
        session: number of the newest session, from 1; 0 before the first.
        reason: why it waits, or why it ended.
        missing: parties that are waited for.
        stage: what the parties are busy with.
        done: steps done of the stage.
        total: steps of the stage there are at most.
        recall: best validation recall so far.
        sent: party → stage → bytes, of all sessions that ended in order.
        seconds: of the newest session, from its first message to its first training step.
        updated: Unix seconds.
    """

    status: JobStatus = JobStatus.WAITING
    session: int = 0
    reason: str = ""
    missing: tuple[str, ...] = ()
    stage: str = ""
    done: int = 0
    total: int = 0
    recall: float | None = None
    sent: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    seconds: float | None = None
    updated: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run of the federation, through however many sessions it takes.

    Args:
        folder: where the coordinator keeps it.
        id: 16 bytes.
        config: the run.
    """

    folder: Path
    id: bytes
    config: RunConfig

    @property
    def name(self) -> str:
        """The id in hexadecimal: the name of its folder, at every party."""
        return self.id.hex()

    def progress(self) -> JobProgress:
        """How far it is; a job that nobody worked on yet is waiting."""
        path = self.folder / "progress.json"
        if not path.exists():
            return JobProgress()
        values = read_mapping(path)
        try:
            return JobProgress(
                **{
                    **values,
                    "status": JobStatus(values["status"]),
                    "missing": tuple(values["missing"]),
                }
            )
        except (KeyError, TypeError, ValueError) as error:
            raise JobError(f"{path} is damaged: {error}") from None

    def note(self, progress: JobProgress) -> None:
        """Replace the progress.

        Raises:
            CheckpointError: the disk refused.
        """
        values = asdict(replace(progress, updated=time.time()))
        values["status"] = progress.status.value
        write_whole(self.folder / "progress.json", json.dumps(values).encode())

    def ask_to_stop(self) -> None:
        """Have whoever works on it end it."""
        write_whole(self.folder / "stop", b"")

    @property
    def stop_asked(self) -> bool:
        """Whether somebody asked to stop."""
        return (self.folder / "stop").exists()


def new_job(state: Path, config: RunConfig) -> Job:
    """Note a new job in a coordinator's state folder.

    Raises:
        JobError: the folder cannot be made.
        CheckpointError: the disk refused.
    """
    identifier = secrets.token_bytes(IDENTIFIER_BYTES)
    folder = job_folder(state, identifier)
    job = Job(folder=folder, id=identifier, config=config)
    content = {
        "version": VERSION,
        "id": job.name,
        "created": time.time(),
        "settings": to_plain(config),
    }
    write_whole(folder / "job.json", json.dumps(content, indent=2).encode())
    return job


def job_folder(state: Path, identifier: bytes) -> Path:
    """Where a party keeps what belongs to one job; made, for its owner alone, if missing.

    Raises:
        JobError: it cannot be made.
    """
    folder = state / "jobs" / identifier.hex()
    try:
        for each in (state, folder.parent, folder):
            each.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise JobError(f"{folder} cannot be made: {error.strerror}") from error
    return folder


def open_job(state: Path, name: str) -> Job:
    """A job that was noted before.

    Args:
        state: the coordinator's state folder.
        name: its id in hexadecimal.

    Raises:
        JobError: there is none of that name, or its file is damaged.
    """
    folder = state / "jobs" / name
    if name not in (each.name for each in _folders(state)):
        known = ", ".join(each.name for each in _folders(state)) or "none"
        raise JobError(f"{state} holds no job {name}; it holds: {known}")
    values = read_mapping(folder / "job.json")
    try:
        if values["version"] != VERSION:
            raise JobError(f"{folder} is of another version, {values['version']}")
        config = from_plain(RunConfig(), values["settings"])
        return Job(folder=folder, id=bytes.fromhex(values["id"]), config=config)
    except (KeyError, TypeError, ValueError) as error:
        raise JobError(f"{folder / 'job.json'} is damaged: {error}") from None


def all_jobs(state: Path) -> list[Job]:
    """Every job of a state folder, the newest last."""
    return [open_job(state, folder.name) for folder in _folders(state)]


def _folders(state: Path) -> list[Path]:
    files = sorted((state / "jobs").glob("*/job.json"), key=lambda path: path.stat().st_mtime_ns)
    return [path.parent for path in files]


def read_mapping(path: Path) -> dict[str, Any]:
    """What a JSON file of a job says.

    Raises:
        JobError: it is missing, damaged or no mapping.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise JobError(f"{path} cannot be read: {error}") from error
    if not isinstance(values, dict):
        raise JobError(f"{path} is damaged: it is no mapping")
    return values
