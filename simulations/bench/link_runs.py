"""The same training twice: threads of one process over memory, and processes over the hub.

Over memory it runs as `fedrecall simulate` does. Over the hub every party is in a process of its
own and runs what a deployed node runs: mutual TLS, seals, checkpoints and the ledger. A list
steers them where Flower does in a deployment; it carries nothing of the exchange.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Final

import numpy as np
import torch

from federation.exchange.steering import Answer, Order
from parties.config import COORDINATOR, ITEM, RunConfig
from parties.data import ItemData, PartnerData
from parties.keys import load_keys, make_federation_keys, read_roster
from parties.keys.ceremony import ROSTER
from parties.node.hosting import Host, host_job
from parties.node.jobs import Job, JobProgress, JobStatus, new_job
from parties.node.serving import Member, serve
from parties.seeds import party_seed
from parties.settings import from_plain
from simulations.bench.link_lines import LOOPBACK
from simulations.bench.link_meter import Account, Meter
from simulations.bench.link_processes import Processes
from simulations.data import load
from simulations.errors import NodeFailedError
from simulations.federation import Scenario, run_federation
from simulations.listening import Listening, listening_of

JOB_BYTES: Final = 16
NOBODY: Final = np.empty(0, np.int64)  # hidden from the item party
Detour = Callable[[int], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a federation of this machine keeps what.

    Args:
        folder: of keys and every party's state.
        data: name or folder of the data set that all parties come from.
        partners: their names, in the order sums are made.
    """

    folder: Path
    data: str
    partners: tuple[str, ...]

    @classmethod
    def made(cls, folder: Path, data: str) -> "Site":
        """Make keys for the parties of a data set.

        Raises:
            SimulationError, PartiesError: the data set cannot be read.
            KeysError: the keys cannot be made.
        """
        site = cls(folder=folder, data=data, partners=tuple(_listening(data).partners))
        make_federation_keys(site.keys, site.partners)
        return site

    @property
    def keys(self) -> Path:
        """Everyone's keys and the roster."""
        return self.folder / "keys"

    @property
    def members(self) -> tuple[str, ...]:
        """Everyone but the coordinator."""
        return (ITEM, *self.partners)

    def state(self, party: str) -> Path:
        """What a party's node keeps."""
        return self.folder / party


@dataclass(frozen=True, slots=True, kw_only=True)
class NodesRun:
    """How a run over the hub went.

    Args:
        job: the run.
        progress: its end, as the coordinator noted it.
        accounts: party → what its process noted.
        seconds_from_order: from the coordinator's order to the first training step.
    """

    job: Job
    progress: JobProgress
    accounts: Mapping[str, Account] = field(repr=False)
    seconds_from_order: float


def prepare(data: str) -> None:
    """Load the programs and the data that a run needs, and keep them."""
    torch.set_num_threads(1)
    _listening(data)


def run_in_memory(data: str, config: RunConfig, folder: Path) -> Account:
    """Run every party in a thread of this process."""
    prepare(data)
    listening = _listening(data)
    scenario = Scenario(
        config=config,
        item=listening.item_data(NOBODY),
        partners=listening.partners,
        job=secrets.token_bytes(JOB_BYTES),
        folder=folder,
    )
    with Meter() as meter:
        run_federation(scenario, meter.watch)
    return meter.account


def run_on_nodes(
    site: Site, processes: Processes, config: RunConfig, *, detour: Detour = int
) -> NodesRun:
    """Run every party but the coordinator in its process, and the coordinator in this one.

    Args:
        site: whose parties.
        processes: where they live.
        config: the run.
        detour: makes the port that parties dial from the one the hub listens on.

    Raises:
        NodeFailedError: a party refused or failed.
    """
    steering = _ListSteering(site, processes, detour)
    host = Host(
        keys=load_keys(site.keys / COORDINATOR),
        roster=read_roster(site.keys / ROSTER),
        address=f"{LOOPBACK}:0",
        listening=steering.listening,
    )
    job = new_job(site.state(COORDINATOR), config)
    with Meter() as meter:
        progress = host_job(host, job, steering)
    if progress.status is not JobStatus.DONE or progress.session != 1:
        raise NodeFailedError(f"the run over the hub broke: {progress.reason}")
    accounts = {COORDINATOR: meter.account, **steering.accounts()}
    return NodesRun(
        job=job,
        progress=progress,
        accounts=accounts,
        seconds_from_order=accounts[ITEM].steps[0] - steering.ordered_at,
    )


class _ListSteering:
    """Steers the processes of this machine, each of which does one order at a time."""

    def __init__(self, site: Site, processes: Processes, detour: Detour) -> None:
        self._site, self._processes, self._detour = site, processes, detour
        self._working: dict[str, Future[tuple[Order, Account]]] = {}
        self._rounds = 0
        self._hub = ""
        self.ordered_at = 0.0

    def listening(self, port: int) -> None:
        """Note where the hub is."""
        self._hub = f"{LOOPBACK}:{self._detour(port)}"

    def online(self) -> frozenset[str]:
        return frozenset(self._site.members)

    def begin(self, orders: Mapping[str, Order]) -> int:
        self._rounds += 1
        self.ordered_at = time.monotonic()
        for name, order in orders.items():
            self._working[name] = self._processes.begin(
                name, _follow, self._site, name, self._hub, order
            )
        return self._rounds

    def answers(self) -> Mapping[str, Answer]:
        return {
            name: _answer(self._rounds, future)
            for name, future in self._working.items()
            if future.done()
        }

    def accounts(self) -> Mapping[str, Account]:
        """What every party's process noted; all must have answered."""
        return {name: future.result()[1] for name, future in self._working.items()}


def _answer(order: int, future: Future[tuple[Order, Account]]) -> Answer:
    if (error := future.exception()) is not None:
        return Answer(order=order, values={}, failure=f"{type(error).__name__}: {error}")
    return Answer(order=order, values=future.result()[0])


def _follow(site: Site, name: str, hub: str, order: Order) -> tuple[Order, Account]:
    """A party's session, in the party's own process."""
    torch.set_num_threads(1)
    with Meter() as meter:
        member = Member(
            keys=load_keys(site.keys / name),
            roster=read_roster(site.keys / ROSTER),
            hub=hub,
            state=site.state(name),
            adopt=partial(from_plain, RunConfig()),
            data=lambda _: _brought(site.data, name),
            private_seed=lambda config: party_seed(config.seed, name),
            watch=meter.watch,
        )
        report = serve(member, order)
    return report, meter.account


def _brought(data: str, name: str) -> ItemData | PartnerData:
    listening = _listening(data)
    return listening.item_data(NOBODY) if name == ITEM else listening.partners[name]


@cache
def _listening(data: str) -> Listening:
    return listening_of(load(data).tables)
