"""One federation on hosts of its own, from key ceremony to teardown."""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from deploy.rehearsal.cable import Cable
from deploy.rehearsal.errors import CommandFailedError, OutOfTimeError, RehearsalError
from deploy.rehearsal.hosts import Network, joined_hosts
from deploy.rehearsal.parties import Party, Plan, set_up
from parties.config import COORDINATOR, ITEM
from parties.node.jobs import Job, JobProgress, JobStatus, all_jobs
from parties.node.results import RESULT
from parties.node.status import is_up, read_status
from simulations.cli.complaints import FAILURE, INTERRUPTED, complain, say
from simulations.errors import expected

READY_S: Final = 180.0  # four Flower processes share this machine's cores while they start
STOP_S: Final = 60.0
POLL_S: Final = 0.2
TAIL_LINES: Final = 30

Found = TypeVar("Found")


def tell(text: str) -> None:
    """Say how far a rehearsal is, on stderr: stdout is for figures."""
    say(f"{time.strftime('%H:%M:%S')}  {text}", error=True)


def wait_for(what: str, look: Callable[[], Found | None], *, timeout_s: float) -> Found:
    """Look again and again until something is there.

    Args:
        what: names it in the error.
        look: returns it, or None.
        timeout_s: seconds it may take.

    Raises:
        OutOfTimeError: it did not come.
    """
    ends = time.monotonic() + timeout_s
    while (found := look()) is None:
        if time.monotonic() > ends:
            raise OutOfTimeError(f"{what} did not happen within {timeout_s:.0f} s")
        time.sleep(POLL_S)
    return found


@dataclass(slots=True)
class Rehearsal:
    """Parties on their hosts.

    Args:
        network: the hosts.
        parties: by name, the coordinator first.
        nodes: the running `fedrecall node up` of each party.
    """

    network: Network
    parties: dict[str, Party]
    nodes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def coordinator(self) -> Party:
        """The coordinator."""
        return self.parties[COORDINATOR]

    @property
    def item(self) -> Party:
        """The item party."""
        return self.parties[ITEM]

    def start(self, name: str) -> None:
        """Start a party's node; what is left of an earlier one must be gone."""
        self.nodes[name] = self.parties[name].start_node()

    def kill(self, name: str) -> int:
        """Kill everything on a party's host at once; returns how many processes that were."""
        killed = self.parties[name].host.kill_all()
        if name in self.nodes:
            self.nodes.pop(name).wait()
        return killed

    def stop(self, name: str) -> None:
        """Stop a party's node as an operator does; what does not stop in time is killed."""
        node = self.nodes.pop(name)
        node.terminate()
        try:
            node.wait(STOP_S)
        except subprocess.TimeoutExpired:
            tell(f"{name} did not stop within {STOP_S:.0f} s; it is killed")
            self.parties[name].host.kill_all()

    def await_ready(self, name: str) -> None:
        """Wait until a party's node says that it is up.

        Raises:
            CommandFailedError: it ended instead; the message holds its last lines.
            OutOfTimeError: it does not come up.
        """
        try:
            wait_for(f"{name}: a node that is up", lambda: self._up(name), timeout_s=READY_S)
        except OutOfTimeError as error:
            raise OutOfTimeError(f"{error}; its last lines:\n{self.last_words(name)}") from error

    def _up(self, name: str) -> bool | None:
        code = self.nodes[name].poll()
        if code is not None:
            words = self.last_words(name)
            raise CommandFailedError(f"{name}: node up ended with exit code {code}:\n{words}")
        return _is_well(self.parties[name]) or None

    def last_words(self, name: str) -> str:
        """The last lines that a party's node printed."""
        log = self.parties[name].log
        if not log.exists():
            return ""
        return "\n".join(log.read_text("utf-8", "replace").splitlines()[-TAIL_LINES:])

    def bring_up(self) -> None:
        """Check and start every node, the coordinator's first.

        Raises:
            CommandFailedError: a check found something, or a node ended.
            OutOfTimeError: a node does not come up.
        """
        for name, party in self.parties.items():
            party.fedrecall("node", "check", str(party.folder))
            self.start(name)
            self.await_ready(name)
            tell(f"{name:<12} is checked and up on {party.host.address}")

    def jobs(self) -> list[Job]:
        """The coordinator's jobs, the newest last."""
        return all_jobs(self.coordinator.read().state)

    def progress(self) -> JobProgress:
        """How far the newest job is; one that waits if there is none yet."""
        jobs = self.jobs()
        return jobs[-1].progress() if jobs else JobProgress()

    def follow(self) -> None:
        """Start a run at the coordinator and follow it to its end, its progress on stderr.

        Raises:
            CommandFailedError: the run did not end well.
        """
        process = self.coordinator.start_fedrecall(
            "node", "run", str(self.coordinator.folder), "--follow", log=sys.stderr.buffer
        )
        code = process.wait()
        if code != 0:
            raise CommandFailedError(
                f"the run ended with exit code {code}; the coordinator's last lines:\n"
                f"{self.last_words(COORDINATOR)}"
            )

    def begin_run(self) -> None:
        """Start a run at the coordinator, and leave it to the nodes."""
        self.coordinator.fedrecall("node", "run", str(self.coordinator.folder), "--detach")

    def await_end(self, *, timeout_s: float) -> JobProgress:
        """Wait until the newest job is done.

        Raises:
            RehearsalError: it failed or was stopped.
            OutOfTimeError: it takes too long.
        """

        def over() -> JobProgress | None:
            progress = self.progress()
            return progress if progress.status.over else None

        progress = wait_for("the end of the run", over, timeout_s=timeout_s)
        if progress.status is not JobStatus.DONE:
            raise RehearsalError(f"the run {progress.status.value}: {progress.reason}")
        return progress

    def report(self) -> dict[str, Any]:
        """The item party's report on the newest run, as in report.json."""
        report: dict[str, Any] = self.item.fedrecall_json("node", "report", str(self.item.folder))
        return report

    def job_folder(self, name: str) -> Path:
        """Where a party keeps what belongs to the newest job."""
        return self.parties[name].read().paths.job(self.jobs()[-1].id)

    def result(self) -> Path:
        """The item party's result of the newest job."""
        return self.job_folder(ITEM) / RESULT

    def take_down(self) -> None:
        """Stop every node as an operator does, the coordinator's last."""
        for name in reversed(list(self.nodes)):
            self.stop(name)


def _is_well(party: Party) -> bool:
    """Whether a party's node is up, all that it is made of runs, and its port is open."""
    file = party.read()
    written = read_status(file.paths.status)
    if not is_up(file.state) or written is None or not written["healthy"]:
        return False
    return file.listen is None or party.host.listens(file.listen.flower_port)


def own_folder(keep: Path | None, stack: ExitStack) -> Path:
    """A new folder for everything: `keep`, which stays, or one that goes with the stack."""
    if keep is not None:
        keep.mkdir(mode=0o700, parents=True)
        return keep.absolute()
    folder = Path(tempfile.mkdtemp(prefix="fedrehearsal-"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    return folder


@contextmanager
def rehearsal(plan: Plan, *, cable: Cable | None = None) -> Iterator[Rehearsal]:
    """Make hosts and parties; all of it but the plan's folder is gone at the end.

    Raises:
        RehearsalError: hosts or parties could not be made.
    """
    with joined_hosts([*plan.names, *plan.strangers], cable=cable) as network:
        yield Rehearsal(network=network, parties=set_up(plan, network))


def exit_code(work: Callable[[], bool]) -> int:
    """Do what a script is for, and say in one line what stopped it.

    Args:
        work: tells whether all was as it must be.

    Returns:
        0 if it was, 1 if it was not or something failed, 130 after an interrupt.
    """
    try:
        return 0 if work() else FAILURE
    except KeyboardInterrupt:
        say("interrupted; every host is removed", error=True)
        return INTERRUPTED
    except expected() as error:
        complain(error)
        return FAILURE
