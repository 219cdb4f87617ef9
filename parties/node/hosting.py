"""A job at the coordinator: session after session, until the item party has what it wants.

Rules:
1. A session needs every party of the roster. When one is lost the session ends for all of them:
   the sum never goes on without it, and nobody waits for it inside a half-dead session.
2. The next session begins when every node is up again. It goes on from the last epoch that all
   parties hold, which they settle among themselves.
3. A short loss of the link is the hub's business and ends nothing.
4. What a party refuses for good ends the job, and says who refused what.
"""

import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from federation.errors import FederationError, PeerLostError
from federation.exchange.grpc_hub import HubServer
from federation.exchange.hub import Admission, Hub
from federation.exchange.steering import Steering
from federation.protocol.limits import MIB, Limits
from parties.config import COORDINATOR, ITEM
from parties.coordinator import Coordinator
from parties.keys import PartyKeys
from parties.keys.roster import Roster
from parties.node.hearing import Hearing
from parties.node.jobs import Job, JobProgress, JobStatus
from parties.node.notes import Notes
from parties.node.noting import Place, noted_link
from parties.node.orders import (
    IDENTIFIER_BYTES,
    TOKEN_BYTES,
    Ending,
    SessionOrder,
)
from parties.node.watching import Patience, Watch
from parties.settings import to_plain

POLL_S: Final = 0.2
MOST_FAILURES: Final = 5  # sessions in a row that end by an error, not by a lost party
LOG: Final = logging.getLogger("fedrecall.hosting")


def _ignore_port(_: int) -> None:
    return


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A coordinator's node, ready to host jobs.

    Args:
        keys: its own.
        roster: everyone in the federation.
        address: host:port the hub listens on; port 0 takes a free one.
        patience: how long it waits for what.
        listening: told the port that the hub listens on.
    """

    keys: PartyKeys = field(repr=False)
    roster: Roster
    address: str
    patience: Patience = field(default_factory=Patience)
    listening: Callable[[int], None] = _ignore_port

    @property
    def members(self) -> tuple[str, ...]:
        """Everyone but the coordinator."""
        return tuple(name for name in self.roster.names if name != COORDINATOR)


def host_job(host: Host, job: Job, steering: Steering) -> JobProgress:
    """Work on a job until it is over.

    Returns:
        Its last progress, which is also noted in the job's folder.

    Raises:
        CheckpointError: the coordinator's disk refused.
        FederationError: the coordinator's own settings cannot be run.
        OSError: the hub's address cannot be used.
    """
    limits = Limits(max_frame_bytes=job.config.exchange.max_frame_mib * MIB)
    hub = Hub(host.roster.names, limits)
    server = HubServer(hub, host.address, tls=host.keys.tls, pins=host.roster.pins())
    notes = Notes(job)
    host.listening(server.start())
    try:
        return _Hosting(host, job, steering, hub, notes).run()
    finally:
        server.stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    """How a session ended for the job."""

    ending: Ending
    reason: str = ""
    stopped: bool = False


class _Hosting:
    def __init__(self, host: Host, job: Job, steering: Steering, hub: Hub, notes: Notes) -> None:
        self._host, self._job, self._steering, self._hub = host, job, steering, hub
        self._notes = notes
        self._failures = 0

    def run(self) -> JobProgress:
        """Session after session."""
        number = self._notes.now.session
        while True:
            if not self._all_online():
                return self._over(JobStatus.STOPPED, "stopped by the coordinator's operator")
            number += 1
            verdict = self._session(number)
            if (over := self._judge(verdict)) is not None:
                return over
            self._pause(verdict)

    def _judge(self, verdict: _Verdict) -> JobProgress | None:
        """The end of the job, or None if another session is due."""
        if verdict.stopped:
            return self._over(JobStatus.STOPPED, "stopped by the coordinator's operator")
        if verdict.ending is Ending.DONE:
            return self._over(JobStatus.DONE, "")
        if verdict.ending is Ending.REFUSED:
            return self._over(JobStatus.FAILED, verdict.reason)
        self._failures = self._failures + 1 if verdict.ending is Ending.FAILED else 0
        if self._failures >= MOST_FAILURES:
            text = f"{MOST_FAILURES} sessions in a row failed, the last because {verdict.reason}"
            return self._over(JobStatus.FAILED, text)
        LOG.warning("the session ended: %s; the next one begins when all are up", verdict.reason)
        return None

    def _over(self, status: JobStatus, reason: str) -> JobProgress:
        LOG.log(
            logging.ERROR if status is JobStatus.FAILED else logging.INFO,
            "job %s is %s%s",
            self._job.name,
            status.value,
            f": {reason}" if reason else "",
        )
        return self._notes.write(status=status, reason=reason, missing=())

    def _pause(self, verdict: _Verdict) -> None:
        self._notes.write(status=JobStatus.WAITING, reason=verdict.reason)
        ends = time.monotonic() + self._host.patience.pause_s * 2**self._failures
        while time.monotonic() < ends and not self._job.stop_asked:
            time.sleep(POLL_S)

    def _all_online(self) -> bool:
        """Wait until every node is up; False when somebody asked to stop."""
        said: tuple[str, ...] = ()
        while not self._job.stop_asked:
            online = self._steering.online()
            missing = tuple(name for name in self._host.members if name not in online)
            if not missing:
                return True
            if missing != said:
                LOG.info("waiting for the nodes of %s", ", ".join(missing))
                self._notes.write(status=JobStatus.WAITING, missing=missing)
                said = missing
            time.sleep(POLL_S)
        return False

    def _session(self, number: int) -> _Verdict:
        job, members = self._job, self._host.members
        session = secrets.token_bytes(IDENTIFIER_BYTES)
        tokens = {name: secrets.token_bytes(TOKEN_BYTES) for name in members}
        self._notes.write(status=JobStatus.RUNNING, session=number, missing=(), stage="")
        self._hub.admit(Admission(session=session, tokens=tokens))
        order = SessionOrder(
            job=job.id,
            session=session,
            number=number,
            token=b"",
            settings=to_plain(job.config),
        )
        orders = {name: replace(order, token=token).to_values() for name, token in tokens.items()}
        try:
            begun = self._steering.begin(orders)
        except PeerLostError as down:  # a node went away since it was seen
            return _Verdict(ending=Ending.LOST, reason=str(down))
        LOG.info("session %d of job %s begins", number, job.name)
        watch = Watch(self._hub, self._steering, begun, self._host.patience)
        with watch.running(members, lambda: job.stop_asked):
            error = self._add_up(session)
        return self._conclude(watch, begun, error)

    def _add_up(self, session: bytes) -> FederationError | None:
        """The coordinator's own part; returns what ended it early."""
        host, job = self._host, self._job
        place = Place(
            keys=host.keys,
            roster=host.roster,
            config=job.config,
            job=job.id,
            session=session,
            folder=job.folder,
        )
        self._notes.begin_session(lambda: not self._hub.absent())
        with noted_link(place, lambda: self._hub.attach(COORDINATOR)) as link:
            try:
                partners = host.roster.partners
                Coordinator(link, job.config, partners, watch=self._notes.watch).run()
            except FederationError as error:
                LOG.warning("session: %s: %s", type(error).__name__, error)
                return error
            finally:
                self._notes.sent_by(COORDINATOR, link.traffic.bytes_by_stage())
        return None

    def _conclude(self, watch: Watch, begun: int, error: FederationError | None) -> _Verdict:
        """Hear the parties' own accounts, which say more than a lost line."""
        if watch.stopped:
            self._hub.end("the coordinator's operator stopped the run")
            return _Verdict(ending=Ending.LOST, stopped=True)
        if error is not None:
            self._hub.end(watch.reason or str(error))
        hearing = Hearing(self._steering, begun, self._host.members, self._host.patience)
        reports = hearing.reports(result_due=error is None, given_up=lambda: self._job.stop_asked)
        self._hub.end("the session is over")
        for name, report in reports.items():
            self._notes.sent_by(name, report.sent)
        for ending in (Ending.REFUSED, Ending.FAILED):
            for name, report in reports.items():
                if report.ending is ending:
                    return _Verdict(ending=ending, reason=f"{name}: {report.reason}")
        if error is None and ITEM in reports and reports[ITEM].ending is Ending.DONE:
            return _Verdict(ending=Ending.DONE)
        reason = watch.reason or (str(error) if error else f"{ITEM} did not report its result")
        return _Verdict(ending=Ending.LOST, reason=reason)
