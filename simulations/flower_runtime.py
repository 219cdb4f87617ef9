"""A federated run on Flower's simulation engine: a process a party, joined by the exchange hub.

What runs is what runs in a deployment: the coordinator's hosting, the parties' serving, keys of
their own, the hub with mutual TLS. Only three things differ. One program makes everyone's keys;
all listen on this machine's loopback; and each party's private seed comes from the run's seed, so
that the run gives the model that any other runtime gives.

splits/SEED/nodes/keys/           everyone's keys and the roster
splits/SEED/nodes/PARTY/state/    what the party's node keeps
splits/SEED/nodes/PARTY/log.txt   what it says
"""

import json
import logging
import os
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch

from federation.exchange.flower_simulation import Leader, simulate_apps
from federation.exchange.steering import Order, Steering
from parties.checkpoints import write_whole
from parties.config import COORDINATOR, ITEM, RunConfig
from parties.data import ItemData, PartnerData
from parties.events import Progress, Stage, Watcher, ignore_progress
from parties.keys import load_keys, make_federation_keys, read_roster
from parties.keys.ceremony import ROSTER
from parties.listening import item_listening, partner_data
from parties.node.hosting import Host, host_job
from parties.node.jobs import (
    Job,
    JobProgress,
    JobStatus,
    all_jobs,
    job_folder,
    new_job,
)
from parties.node.orders import SessionReport
from parties.node.results import load_result
from parties.node.serving import Member, serve
from parties.node.watching import Patience
from parties.seeds import party_seed
from parties.settings import from_plain
from simulations.clock import Clock
from simulations.data import load
from simulations.errors import NodeFailedError
from simulations.holdout import hold_out
from simulations.split import Split
from simulations.tasks import Task
from simulations.work import Carried, cpu_seconds, peak_memory

NODES: Final = "nodes"
HUB: Final = "hub"  # in an order here: where the hub listens, which nobody knew before
LOOPBACK: Final = "127.0.0.1"
POLL_S: Final = 0.5  # between two looks at a job's progress
PAUSE_S: Final = 0.2  # before another session: nothing has to come up again meanwhile
LOG_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@dataclass(frozen=True, slots=True)
class NodeFolders:
    """Where the nodes of one split keep what."""

    path: Path

    @property
    def keys(self) -> Path:
        """Everyone's keys and the roster."""
        return self.path / "keys"

    @property
    def used(self) -> Path:
        """One file a process, of what it has used of this machine."""
        return self.path / "used"

    def state(self, party: str) -> Path:
        """What a party's node keeps."""
        return self.path / party / "state"

    def note(self, party: str) -> Path:
        """What a party's last session left for the report."""
        return self.path / party / "session.json"

    def log(self, party: str) -> Path:
        """What a party's node says."""
        return self.path / party / "log.txt"


@dataclass(frozen=True, slots=True)
class Nodes:
    """Every party but the coordinator; it crosses into their processes and holds no data."""

    task: Task

    def __call__(self, name: str, order: Order) -> Order:
        """Have one party follow an order, in the process that this is called in."""
        torch.set_num_threads(1)  # one thread repeats exactly
        folders = NodeFolders(self.task.folder / NODES)
        with _logging_to(folders.log(name)):
            clock = Clock(ignore_progress)
            member = self._member(folders, name, hub=str(order[HUB]), watch=clock)
            report = serve(member, {key: value for key, value in order.items() if key != HUB})
            clock.enter(None)
        values = {"report": dict(report), "seconds": clock.seconds, "steps": clock.steps}
        _write(folders.note(name), values)
        _write(
            folders.used / f"{os.getpid()}.json", {"cpu": cpu_seconds(), "memory": peak_memory()}
        )
        return report

    def _member(self, folders: NodeFolders, name: str, *, hub: str, watch: Watcher) -> Member:
        return Member(
            keys=load_keys(folders.keys / name),
            roster=read_roster(folders.keys / ROSTER),
            hub=hub,
            state=folders.state(name),
            adopt=partial(from_plain, RunConfig()),
            data=partial(self._data, name),
            private_seed=lambda config: party_seed(config.seed, name),
            watch=watch,
        )

    def _data(self, name: str, config: RunConfig) -> ItemData | PartnerData:
        """This party's own tables, and no other party's."""
        tables = load(self.task.data).tables
        if name != ITEM:
            return partner_data(next(each for each in tables.partners if each.name == name))
        listening = item_listening(tables.item)
        split = hold_out(
            listening,
            self.task.evaluation,
            seed=config.seed,
            channels=bool(self.task.channels),
        )
        return listening.showing(split.shown)


def carry_on_flower(split: Split, clock: Clock) -> Carried:
    """Run every party as a node of Flower's simulation engine.

    Raises:
        NodeFailedError: a party refused or failed; the others' work is kept.
        KeysError, CheckpointError, OSError: the folder cannot be used.
        RuntimeError: Flower's engine could not run.
    """
    folders = NodeFolders(split.task.folder / NODES)
    partners = tuple(split.listening.partners)
    job = _prepared(folders, partners, split.config)
    continued = job.progress().session > 0
    clock.enter(None)  # how long Flower takes to start says nothing of the run
    try:
        if job.progress().status is not JobStatus.DONE:
            _run(Nodes(split.task), (ITEM, *partners), job, clock)
    finally:
        shutil.rmtree(folders.keys, ignore_errors=True)  # every start makes new ones
    progress = job.progress()
    if progress.status is not JobStatus.DONE:
        raise NodeFailedError(f"{progress.reason}; each party's own log is in {folders.path}")
    return _gathered(folders, partners, job, clock, continued=continued)


def _prepared(folders: NodeFolders, partners: Sequence[str], config: RunConfig) -> Job:
    """Fresh keys, and the job of an earlier process if it left one."""
    names = (COORDINATOR, ITEM, *partners)
    for stale in (folders.keys, folders.used):
        shutil.rmtree(stale, ignore_errors=True)
    for place in (folders.path, *(folders.log(party).parent for party in names)):
        place.mkdir(mode=0o700, exist_ok=True)
    folders.used.mkdir()
    make_federation_keys(folders.keys, partners)
    state = folders.state(COORDINATOR)
    known = all_jobs(state)
    job = known[-1] if known else new_job(state, config)
    (job.folder / "stop").unlink(missing_ok=True)
    return job


def _run(nodes: Nodes, members: Sequence[str], job: Job, clock: Clock) -> None:
    folders = NodeFolders(nodes.task.folder / NODES)
    leader = Leader(host=partial(_host, folders, job), stop=job.ask_to_stop)
    with _logging_to(folders.log(COORDINATOR)), _followed(job, clock):
        simulate_apps(leader, nodes, members)


def _host(folders: NodeFolders, job: Job, steering: Steering) -> None:
    """The coordinator's work, in a thread of Flower's."""
    addressed = _Addressed(steering)
    host = Host(
        keys=load_keys(folders.keys / COORDINATOR),
        roster=read_roster(folders.keys / ROSTER),
        address=f"{LOOPBACK}:0",
        patience=Patience(pause_s=PAUSE_S),
        listening=addressed.listening,
    )
    host_job(host, job, addressed)


class _Addressed:
    """Steering whose orders also say where the hub listens, which takes any free port."""

    def __init__(self, steering: Steering) -> None:
        self._steering = steering
        self._hub = ""
        self.online = steering.online
        self.answers = steering.answers

    def listening(self, port: int) -> None:
        """Note where the hub is."""
        self._hub = f"{LOOPBACK}:{port}"

    def begin(self, orders: Mapping[str, Order]) -> int:
        """Give the orders, each with the hub's address."""
        return self._steering.begin(
            {name: {**order, HUB: self._hub} for name, order in orders.items()}
        )


@contextmanager
def _followed(job: Job, clock: Clock) -> Iterator[None]:
    """Pass on what the coordinator hears of the item party's progress."""
    over = threading.Event()

    def follow() -> None:
        while not over.wait(POLL_S):
            if (progress := _progress(job.progress())) is not None:
                clock.tell(progress)

    thread = threading.Thread(target=follow, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _progress(noted: JobProgress) -> Progress | None:
    if not noted.stage:
        return None
    stage = Stage(noted.stage)
    return Progress(stage=stage, done=noted.done, total=noted.total, recall=noted.recall)


def _gathered(
    folders: NodeFolders, partners: Sequence[str], job: Job, clock: Clock, *, continued: bool
) -> Carried:
    note = json.loads(folders.note(ITEM).read_text(encoding="utf-8"))
    clock.take_over(note["seconds"], {int(step): at for step, at in note["steps"].items()})
    notes = [json.loads(folders.note(name).read_text(encoding="utf-8")) for name in partners]
    reports = [SessionReport.from_values(note["report"]) for note in notes]
    used = [json.loads(path.read_text(encoding="utf-8")) for path in folders.used.iterdir()]
    return Carried(
        item=load_result(job_folder(folders.state(ITEM), job.id)),
        sent=job.progress().sent,
        values=sum(report.values for report in reports),
        clipped=sum(report.clipped for report in reports),
        continued=continued,
        cpu_seconds=sum(each["cpu"] for each in used),
        peak_memory_bytes=max((each["memory"] for each in used), default=0),
    )


def _write(path: Path, values: Mapping[str, Any]) -> None:
    write_whole(path, json.dumps(values).encode())


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """Keep what is said in a file, so that nothing of it goes to the terminal."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter(LOG_FORMAT))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    except Exception:
        root.exception("this process ends with an error")
        raise
    finally:
        root.setLevel(before)
        root.removeHandler(handler)
        handler.close()
