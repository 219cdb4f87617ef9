"""`fedrecall node up`: starts what a node needs, keeps it running, and ends it cleanly.

Rules:
1. One node a state folder.
2. Nothing outlives the node: processes that it started die with it, even if it is killed.
3. A process that ends is started again, forever (`children`).
4. What a node reports of itself (status.json, /healthz, /metrics) is the truth of this moment.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Final

from parties.errors import CheckpointError, NodeError, PartyFileError
from parties.keys.folder import AUTHORITY_CERTIFICATE
from parties.keys.loading import PartyKeys, check_on_roster, load_keys
from parties.keys.roster import read_roster
from parties.node.activity import Activity, LedgerFollower, quietly
from parties.node.children import Child, ChildStatus
from parties.node.health import health_server
from parties.node.logs import Level, NodeLog, stderr_log
from parties.node.loopback import free_port, listening, make_loopback_files
from parties.node.party_file import Endpoint, PartyFile
from parties.node.programs import (
    FleetAccess,
    NodePlace,
    Program,
    coordinator_executor,
    gate,
    node_executor,
    steward,
    superlink,
    supernode,
)
from parties.node.status import NodeStatus, only_one, write_status
from parties.role import Role

TICK_S: Final = 0.2
STATUS_S: Final = 1.0


class Supervisor:
    """Keeps programs running; it belongs to the thread that calls `run`."""

    def __init__(
        self,
        programs: Sequence[Program],
        log: NodeLog,
        report: Callable[[Sequence[ChildStatus]], None],
    ) -> None:
        """Make one.

        Args:
            programs: what to run, in the order in which it is started.
            log: of the node.
            report: told once a second how the programs are.
        """
        self._children = [Child(program, log) for program in programs]
        self._log = log
        self._report = report

    def run(self, stop: threading.Event) -> None:
        """Run until `stop` is set, then end every program, the last started first."""
        reported = -STATUS_S
        try:
            while not stop.wait(TICK_S):
                for child in self._children:
                    child.tick()
                if time.monotonic() - reported >= STATUS_S:
                    reported = time.monotonic()
                    self._tell()
        finally:
            self._log.event(Level.INFO, "node_stopping", "the node stops")
            for child in reversed(self._children):
                child.ask_to_end()
                child.end()
            self._tell()

    def _tell(self) -> None:
        try:
            self._report([child.status() for child in self._children])
        except CheckpointError as error:
            self._log.event(Level.WARNING, "status_unwritten", str(error))


class Reporter:
    """Writes a node's status, and knows the last one."""

    def __init__(self, party: PartyFile, activity: Callable[[], Activity]) -> None:
        self._party = party
        self._activity = activity
        self._started = time.time()
        self.last = self._status(())

    def report(self, children: Sequence[ChildStatus]) -> None:
        """Note how the node is.

        Raises:
            CheckpointError: the disk refused; whoever asks for the last status has it anyway.
        """
        self.last = self._status(children)
        write_status(self._party.paths.status, self.last)

    def _status(self, children: Sequence[ChildStatus]) -> NodeStatus:
        return NodeStatus(
            party=self._party.name,
            role=self._party.role.value,
            pid=os.getpid(),
            started=self._started,
            written=time.time(),
            children=tuple(children),
            activity=self._activity(),
        )


def run_node(party: PartyFile, stop: threading.Event) -> None:
    """Run a party's node in the foreground until `stop` is set.

    Raises:
        KeysError: keys or roster cannot be used.
        NodeError: a node runs with this state folder already, or a port is taken.
        CheckpointError, OSError: the state folder cannot be written.
    """
    keys = load_keys(party.keys)
    if keys.name != party.name:
        problem = f"is {keys.name!r} in {party.keys}, not {party.name!r}"
        raise PartyFileError(problem, file=party.file, key="name")
    check_on_roster(keys, read_roster(party.roster))
    _make_folders(party)
    with ExitStack() as stack:
        stack.enter_context(only_one(party.state))
        _check_ports(party)
        reporter = Reporter(party, _activity_of(party))
        port = stack.enter_context(health_server(party.health_port, lambda: reporter.last))
        log = stderr_log(party.paths.log, party.name)
        stack.callback(log.close)
        _greet(log, party, keys, port)
        Supervisor(programs_of(party, keys), log, reporter.report).run(stop)
        log.event(Level.INFO, "node_stopped", "the node has stopped")


def programs_of(party: PartyFile, keys: PartyKeys) -> list[Program]:
    """What a party's node runs, in the order in which it is started.

    Raises:
        CheckpointError: the state folder cannot be written.
        NodeError: a party's keys lack the node key.
    """
    home = party.paths.flower
    place = NodePlace(
        party_file=party.file,
        home=home,
        files=make_loopback_files(home),
        port=free_port(),
        repeatable=party.experiment.repeatable,
    )
    apps = party.policy.apps
    if party.listen is not None:
        place.run_file.unlink(missing_ok=True)  # no run of an earlier `up` is worked on
        executor = coordinator_executor(place, party.name, apps)
        return [superlink(place), gate(place, party, party.listen), executor, steward(place)]
    if keys.node_key is None or party.coordinator is None:
        raise NodeError(f"{party.keys} has no node key; make the keys with `fedrecall keys new`")
    access = FleetAccess(
        address=_fleet_address(party.coordinator),
        authority=party.keys / AUTHORITY_CERTIFICATE,
        node_key=keys.node_key,
    )
    return [supernode(place, access), node_executor(place, party.name, apps)]


@contextmanager
def until_signalled() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set, while the context lasts; in the main thread."""
    stop = threading.Event()

    def leave(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    before = {each: signal.signal(each, leave) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _make_folders(party: PartyFile) -> None:
    for folder in (party.state, party.paths.flower, party.paths.log, party.paths.jobs):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _check_ports(party: PartyFile) -> None:
    """Refuse at once what would only show in the log of a process that starts over and over."""
    if party.listen is None:
        return
    host = party.listen.host
    for key, port in (
        ("flower_port", party.listen.flower_port),
        ("hub_port", party.listen.hub_port),
    ):
        try:
            listening(host, port).close()
        except OSError as error:
            raise NodeError(
                f"cannot listen on {host}, port {port}: {error.strerror}; stop what uses it, or "
                f"choose another as listen.{key} in party.toml"
            ) from error


def _activity_of(party: PartyFile) -> Callable[[], Activity]:
    if party.role is Role.COORDINATOR:
        return lambda: quietly(party.state)
    return LedgerFollower(party.state).activity


def _fleet_address(endpoint: Endpoint) -> str:
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    return f"{host}:{endpoint.flower_port}"


def _greet(log: NodeLog, party: PartyFile, keys: PartyKeys, port: int) -> None:
    role = party.role.value
    text = f"node of {party.name} ({role}) with {party.state}; health on port {port}"
    log.event(Level.INFO, "node_started", text, fields={"role": role, "pid": os.getpid()})
    for warning in keys.warnings:
        log.event(Level.WARNING, "keys", warning)
