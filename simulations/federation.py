"""One federation in one process: the real sessions, in threads, over the memory hub."""

from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from federation.crypto.sealing import Identity
from federation.errors import PeerLostError
from federation.exchange.link import Link, LinkConfig
from federation.exchange.memory import MemoryHub
from federation.protocol.limits import MIB, Limits
from parties.checkpoints import CheckpointStore, FolderCheckpoints, NoCheckpoints
from parties.config import COORDINATOR, ITEM, RunConfig
from parties.coordinator import Coordinator
from parties.data import ItemData, PartnerData
from parties.events import Watcher, ignore_progress
from parties.item import ItemOutcome, ItemParty
from parties.partner import Partner, PartnerOutcome
from parties.seeds import party_seed
from parties.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class FederationOutcome:
    """What all parties of a run ended with."""

    item: ItemOutcome
    partners: Mapping[str, PartnerOutcome]
    sent: Mapping[str, Mapping[str, int]]  # party → stage → bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Who takes part in a simulated run, with what, and under which settings.

    Args:
        config: the run.
        item: what the item party brings.
        partners: what each partner brings, in the order sums are made.
        folder: where parties keep checkpoints, each in its own folder; None keeps none.
        job: 16 bytes that name the run.
    """

    config: RunConfig
    item: ItemData = field(repr=False)
    partners: Mapping[str, PartnerData] = field(repr=False)
    job: bytes
    folder: Path | None = None


def run_federation(scenario: Scenario, watch: Watcher = ignore_progress) -> FederationOutcome:
    """Run every party of a scenario to its end.

    Each party gets its own thread, key and transport, and no reference to another party.

    Raises:
        FederationError, PartiesError: whatever the first party to fail raised.
    """
    table = _Table(scenario)
    names = tuple(scenario.partners)
    links = {name: table.link(name) for name in table.names}
    item = ItemParty(table.session(links[ITEM], watch), scenario.item)
    coordinator = Coordinator(links[COORDINATOR], scenario.config, names)
    partners = {
        name: Partner(table.session(links[name]), data) for name, data in scenario.partners.items()
    }
    with ThreadPoolExecutor(len(links), thread_name_prefix="party") as pool:
        serving = pool.submit(coordinator.run)
        running = {name: pool.submit(partner.run) for name, partner in partners.items()}
        leading = pool.submit(item.run)
        everyone: list[Future[Any]] = [serving, *running.values(), leading]
        try:
            wait(everyone, return_when=FIRST_EXCEPTION)
        finally:
            table.hub.close()  # wakes whoever still waits, so that the pool can end
    _raise_cause(everyone)
    return FederationOutcome(
        item=leading.result(),
        partners={name: future.result() for name, future in running.items()},
        sent={name: link.traffic.bytes_by_stage() for name, link in links.items()},
    )


def _raise_cause(futures: Sequence[Future[Any]]) -> None:
    """Raise what made the first party fail, if any did."""
    errors = [error for future in futures if (error := future.exception()) is not None]
    # A party that lost its peer is a consequence; the cause explains more.
    errors.sort(key=lambda error: isinstance(error, PeerLostError))
    if errors:
        raise errors[0]


class _Table:
    """The roster, the hub and the keys of one simulated run."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self.names = (COORDINATOR, ITEM, *scenario.partners)
        self._identities = {name: Identity.generate() for name in self.names}
        self._limits = Limits(
            max_frame_bytes=scenario.config.exchange.max_frame_mib * MIB,
        )
        self.hub = MemoryHub(self.names, self._limits)

    def link(self, name: str) -> Link:
        """A party's line, not yet greeted."""
        config = self._scenario.config
        return Link(
            self.hub.attach(name),
            self._identities[name],
            LinkConfig(
                name=name,
                roster={peer: key.public for peer, key in self._identities.items()},
                job=self._scenario.job,
                agreement=config.agreement(),
                limits=self._limits,
                timeout_s=config.exchange.timeout_s,
            ),
        )

    def session(self, link: Link, watch: Watcher = ignore_progress) -> Session:
        """A party's place in the run."""
        scenario = self._scenario
        store: CheckpointStore = NoCheckpoints()
        if scenario.folder is not None:
            store = FolderCheckpoints(scenario.folder / link.name)
        return Session(
            link=link,
            config=scenario.config,
            partners=tuple(scenario.partners),
            private_seed=party_seed(scenario.config.seed, link.name),
            store=store,
            watch=watch,
        )
