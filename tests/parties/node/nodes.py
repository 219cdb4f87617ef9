"""Nodes of a small federation in this process: real hub, real TLS, and steering by a list."""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from socket import socket

from federation.exchange.steering import Answer, Order
from parties.config import ITEM, RunConfig
from parties.data import ItemData, PartnerData
from parties.events import Progress
from parties.keys.ceremony import make_federation_keys
from parties.keys.loading import load_keys
from parties.keys.roster import read_roster
from parties.node.hosting import Host, host_job
from parties.node.jobs import Job, JobProgress, new_job
from parties.node.serving import Member, serve
from parties.node.watching import Patience
from parties.seeds import party_seed
from parties.settings import from_plain
from tests.parties.harness import World

QUICK = Patience(start_s=20.0, reconnect_s=5.0, settle_s=1.0, answers_s=10.0, pause_s=0.1)
ENDS_WITHIN_S = 60.0
PARTNERS = ("social", "forum")


def free_port() -> int:
    with socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


class LocalSteering:
    """Steers nodes that are threads of this process, each of which does one order at a time."""

    def __init__(self, members: Mapping[str, Member]) -> None:
        self.members = dict(members)
        self.down: set[str] = set()
        self.orders: list[Mapping[str, Order]] = []
        self._pools = {name: ThreadPoolExecutor(1, f"node-{name}") for name in members}
        self._newest: dict[str, tuple[int, Future[Order]]] = {}

    def online(self) -> frozenset[str]:
        return frozenset(self.members) - self.down

    def begin(self, orders: Mapping[str, Order]) -> int:
        self.orders.append(orders)
        number = len(self.orders)
        for name, order in orders.items():
            future = self._pools[name].submit(serve, self.members[name], order)
            self._newest[name] = (number, future)
        return number

    def answers(self) -> Mapping[str, Answer]:
        answers = {}
        for name, (number, future) in self._newest.items():
            if not future.done():
                continue
            error = future.exception()
            answers[name] = (
                Answer(order=number, values=future.result())
                if error is None
                else Answer(order=number, values={}, failure=type(error).__name__)
            )
        return answers

    def close(self) -> None:
        for pool in self._pools.values():
            pool.shutdown()


@dataclass
class Nodes:
    """A federation's nodes, and the one that hosts."""

    host: Host
    steering: LocalSteering
    folder: Path
    progress: list[Progress] = field(default_factory=list)

    def job(self, config: RunConfig) -> Job:
        return new_job(self.folder / "coordinator-state", config)

    def member_folder(self, name: str, job: Job) -> Path:
        return self.folder / f"{name}-state" / "jobs" / job.name

    def change(self, name: str, **changes: object) -> None:
        """Change something about one member."""
        self.steering.members[name] = replace(self.steering.members[name], **changes)  # type: ignore[arg-type]

    def run(self, job: Job) -> JobProgress:
        """Host a job to its end, bounded in time."""
        timer = threading.Timer(ENDS_WITHIN_S, job.ask_to_stop)
        timer.start()
        try:
            return host_job(self.host, job, self.steering)
        finally:
            timer.cancel()


def make_nodes(folder: Path, world: World) -> Nodes:
    """Keys, members and a host for every party of a world."""
    roster = read_roster(make_federation_keys(folder / "keys", PARTNERS))
    port = free_port()
    data: Mapping[str, ItemData | PartnerData] = {ITEM: world.item, **world.partners}
    members = {
        name: Member(
            keys=load_keys(folder / "keys" / name),
            roster=roster,
            hub=f"127.0.0.1:{port}",
            state=folder / f"{name}-state",
            adopt=_adopting,
            data=_giving(brought),
            private_seed=_seeding(name),
        )
        for name, brought in data.items()
    }
    host = Host(
        keys=load_keys(folder / "keys" / "coordinator"),
        roster=roster,
        address=f"127.0.0.1:{port}",
        patience=QUICK,
    )
    nodes = Nodes(host=host, steering=LocalSteering(members), folder=folder)
    nodes.change(ITEM, watch=nodes.progress.append)
    return nodes


def _adopting(settings: Mapping[str, object]) -> RunConfig:
    return from_plain(RunConfig(), settings)


def _giving(brought: ItemData | PartnerData) -> Callable[[RunConfig], ItemData | PartnerData]:
    return lambda _: brought


def _seeding(name: str) -> Callable[[RunConfig], int | None]:
    return lambda config: party_seed(config.seed, name)


def wait_until(ready: Callable[[], bool], within_s: float = 20.0) -> None:
    """Wait until something is so, or fail."""
    ends = time.monotonic() + within_s
    while not ready():
        assert time.monotonic() < ends, "it did not come to be in time"
        time.sleep(0.02)
