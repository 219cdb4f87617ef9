"""The coordinator's steward: registers the roster's nodes at Flower, and submits its jobs.

The jobs folder is the queue. A job that is not over needs a run of Flower's that works on it; if
there is none, because it is new or because the machine was restarted, the steward submits the app
bundle, and the app goes on with the job where it stood. So `fedrecall node run` only notes a job,
and nobody but the steward talks to Flower's control API.
"""

import json
import logging
import signal
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Final

from federation.errors import PeerLostError, SettingError
from federation.exchange.flower_bundle import build_bundle
from federation.exchange.flower_control import Control
from federation.exchange.flower_runtime import Runtime
from federation.exchange.log_lines import fields, log_as_json
from parties.checkpoints import write_whole
from parties.errors import CheckpointError, JobError
from parties.keys.roster import read_roster
from parties.node.jobs import Job, JobStatus, all_jobs
from parties.node.orders import printable
from parties.node.party_file import PartyFile, own_party_file
from parties.node.programs import RUN_FILE

POLL_S: Final = 1.0
MAX_WAIT_S: Final = 30.0
STOPPING_S: Final = 60.0  # that a job's own app has to end, once somebody asked
MOST_FAILURES: Final = 10
logger = logging.getLogger("fedrecall.steward")


@dataclass(slots=True)
class _Present:
    """The job that is worked on, and Flower's run that works on it."""

    job: str = ""
    run: int | None = None
    session: int = 0  # that the job had reached when the run began
    failures: int = 0  # runs in a row that ended without another session
    due: float = 0.0
    stopping: float | None = None


class Steward:
    """Keeps a coordinator's SuperLink in step with its roster and its jobs."""

    def __init__(self, control: Control, party: PartyFile, nodes: Mapping[str, str]) -> None:
        """Make one.

        Args:
            control: of the SuperLink.
            party: the coordinator's file.
            nodes: party → node key in OpenSSH's form, of the whole roster.
        """
        self._control = control
        self._state = party.state
        self._file = party.paths.flower / RUN_FILE
        self._nodes = nodes
        self._bundle = build_bundle()
        self._begun = False
        self._present = self._remembered()
        self._said = ""

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set."""
        while not stop.wait(POLL_S):
            try:
                self.step()
            except (PeerLostError, SettingError, JobError, CheckpointError) as error:
                self._say_once(str(error))
            else:
                self._said = ""

    def step(self) -> None:
        """Do what is to be done now.

        Raises:
            PeerLostError: the SuperLink does not answer.
            SettingError: it refuses.
            JobError, CheckpointError: a job's folder cannot be used.
        """
        if not self._begun:
            self._begin()
        job = self._due()
        if job is None:
            self._present = _Present()
            return
        if self._present.job != job.name:
            self._present = _Present(job=job.name)
        self._see_to(job)

    def _begin(self) -> None:
        numbers = self._control.enrol(self._nodes)
        about = fields("nodes_registered", nodes=numbers)
        logger.info("the nodes of %s are registered", ", ".join(numbers), extra=about)
        for run in self._control.unfinished():
            if run != self._present.run:  # of an earlier `up`, so nobody works on it
                self._control.stop(run)
        self._begun = True

    def _due(self) -> Job | None:
        """The newest job that is not over: the one that the app takes."""
        waiting = [job for job in all_jobs(self._state) if not job.progress().status.over]
        return waiting[-1] if waiting else None

    def _see_to(self, job: Job) -> None:
        if self._present.run is not None:
            self._look_at(self._present.run, job)
        if job.stop_asked:
            self._stop(job)
        elif self._present.run is None and time.monotonic() >= self._present.due:
            self._submit(job)

    def _look_at(self, run: int, job: Job) -> None:
        report = self._control.report(run)
        now = job.progress()
        if not report.state.over or now.status.over:
            return
        present, why = self._present, report.details or report.state.value
        present.run = None
        present.failures = 0 if now.session > present.session else present.failures + 1
        present.due = time.monotonic() + min(MAX_WAIT_S, 2.0**present.failures)
        text = f"run {run} ended before the job was over: {printable(why)}"
        logger.warning(text, extra=fields("run_ended", job=job.name, run=run))
        gives_up = present.failures >= MOST_FAILURES
        status = JobStatus.FAILED if gives_up else JobStatus.WAITING
        job.note(replace(now, status=status, reason=text))

    def _submit(self, job: Job) -> None:
        present = self._present
        present.run = self._control.start(self._bundle)
        present.session = job.progress().session
        content = json.dumps({"job": job.name, "run": present.run})
        write_whole(self._file, content.encode())
        about = fields("job_submitted", job=job.name, run=present.run)
        logger.info("job %s is worked on by run %d", job.name, present.run, extra=about)

    def _stop(self, job: Job) -> None:
        """Wait until the job's app has ended it, then end it without the app."""
        present, now = self._present, time.monotonic()
        present.stopping = present.stopping if present.stopping is not None else now
        if present.run is not None and now - present.stopping < STOPPING_S:
            return
        if present.run is not None:
            self._control.stop(present.run)
            present.run = None
        if not (left := job.progress()).status.over:
            reason = "stopped by the coordinator's operator"
            job.note(replace(left, status=JobStatus.STOPPED, reason=reason))
            logger.info("job %s is stopped", job.name, extra=fields("job_stopped", job=job.name))

    def _remembered(self) -> _Present:
        """What an earlier steward of the same `up` was at."""
        try:
            values = json.loads(self._file.read_bytes())
            return _Present(job=str(values["job"]), run=int(values["run"]))
        except (OSError, ValueError, KeyError, TypeError):
            return _Present()

    def _say_once(self, text: str) -> None:
        if text != self._said:
            logger.warning("%s; trying again", text)
            self._said = text


def main() -> None:
    """Serve the coordinator's node that this process runs under, until SIGTERM."""
    log_as_json()
    party = own_party_file()
    server = Runtime(address=sys.argv[1], authority=Path(sys.argv[2]))
    stop = threading.Event()

    def leave(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    with Control(server) as control:
        Steward(control, party, read_roster(party.roster).nodes()).run(stop)


if __name__ == "__main__":
    main()
