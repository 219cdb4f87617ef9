"""Made data, and whole federations of real parties over the memory hub."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from federation.crypto.sealing import Identity
from federation.errors import PeerLostError
from federation.exchange.link import Expected, Link, LinkConfig
from federation.exchange.memory import MemoryHub
from federation.exchange.traffic import Released, nothing
from federation.exchange.transport import Transport
from federation.protocol.limits import Limits
from federation.protocol.messages import Message
from federation.protocol.profile import Profile
from parties.checkpoints import CheckpointStore, FolderCheckpoints, NoCheckpoints
from parties.config import COORDINATOR, ITEM, RunConfig
from parties.coordinator import Coordinator, CoordinatorOutcome
from parties.data import ItemData, PartnerData
from parties.events import Watcher, ignore_progress
from parties.item import ItemOutcome, ItemParty
from parties.partner import Partner, PartnerOutcome
from parties.seeds import derive_seed
from parties.session import Session, telling_others
from parties.settings import override
from towers.features import Features

JOB = bytes(range(16))
ENDS_WITHIN_S = 60.0
USERS, SONGS, TASTES = 330, 60, 4
Outcome = ItemOutcome | PartnerOutcome | CoordinatorOutcome
Script = Callable[[Link], None]
Wrap = Callable[[Transport], Transport]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What the parties of a made federation bring."""

    item: ItemData
    partners: Mapping[str, PartnerData]
    taste: npt.NDArray[np.int64]  # (n,) of the item party's users, which nobody is told


def make_world(*partners: str, users: int = USERS, seed: int = 0) -> World:
    """Users of a few tastes, who hear songs of theirs and whom partners know by it in part.

    A fifth of the users is cold. Every partner knows four fifths of them, and some strangers.
    """
    rng = np.random.default_rng(seed)
    taste = rng.integers(TASTES, size=users)
    names = [f"user-{number:04d}" for number in range(users)]
    return World(
        item=ItemData(users=names, listening=_listening(taste, rng)),
        partners={name: _partner(name, names, taste, rng) for name in partners},
        taste=taste,
    )


def _listening(taste: npt.NDArray[np.int64], rng: np.random.Generator) -> sp.csr_array:
    songs = np.arange(SONGS) % TASTES
    chance = np.where(taste[:, None] == songs[None, :], 0.4, 0.03)
    heard = (rng.random(chance.shape) < chance) * rng.integers(1, 5, size=chance.shape)
    heard[rng.random(len(taste)) < 0.2] = 0
    return sp.csr_array(heard.astype(np.float32))


def _partner(
    name: str, names: Sequence[str], taste: npt.NDArray[np.int64], rng: np.random.Generator
) -> PartnerData:
    known = rng.permutation(len(names))[: len(names) * 4 // 5]
    strangers = [f"{name}-only-{number}" for number in range(20)]
    tastes = np.concatenate([taste[known], rng.integers(TASTES, size=len(strangers))])
    columns = np.arange(24) % TASTES
    chance = np.where(tastes[:, None] == columns[None, :], 0.6, 0.1)
    facts = (rng.random(chance.shape) < chance).astype(np.float32)
    identifiers = [names[user] for user in known] + strangers
    return PartnerData(identifiers, Features.from_multi_hot(sp.csr_array(facts)))


def tiny(profile: Profile, **changes: object) -> RunConfig:
    """A cheap configuration; changes are dotted keys with ``__`` for the dot."""
    config = RunConfig(profile=profile)
    cheap: dict[str, object] = {
        "encoder__width": 8,
        "trainer__model__embedding_dim": 32,
        "trainer__negatives": 40,
        "exchange__batch_groups": 2,
        "exchange__timeout_s": 30.0,
        "training__epochs": 3,
        "training__stopping__top_k": 10,
        "alignment__workers": 1,
    }
    for key, value in {**cheap, **changes}.items():
        config = override(config, key.replace("__", "."), value)
    return config


class HearingLink(Link):
    """A link that remembers every message its party took."""

    def __init__(
        self,
        transport: Transport,
        identity: Identity,
        config: LinkConfig,
        *,
        released: Released = nothing,
    ) -> None:
        super().__init__(transport, identity, config, released=released)
        self.heard: list[Message] = []

    def receive(self, sender: str, *kinds: type[Expected]) -> Expected:
        message = super().receive(sender, *kinds)
        self.heard.append(message)
        return message

    def receive_any(self) -> tuple[str, Message]:
        sender, message = super().receive_any()
        self.heard.append(message)
        return sender, message


@dataclass(slots=True, kw_only=True)
class Table:
    """The roster, the keys and the hub of one run; each party may be given ways of its own."""

    config: RunConfig
    partners: tuple[str, ...]
    folder: Path | None = None
    watch: Watcher = ignore_progress
    follow: Watcher = ignore_progress  # at the coordinator
    configs: Mapping[str, RunConfig] = field(default_factory=dict)
    jobs: Mapping[str, bytes] = field(default_factory=dict)
    wraps: Mapping[str, Wrap] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    released: dict[str, Released] = field(default_factory=dict)
    links: dict[str, HearingLink] = field(default_factory=dict)
    hub: MemoryHub = field(init=False)
    identities: dict[str, Identity] = field(init=False)

    def __post_init__(self) -> None:
        self.hub = MemoryHub(self.names, self.limits)
        self.identities = {name: Identity.generate() for name in self.names}

    @property
    def names(self) -> tuple[str, ...]:
        return (COORDINATOR, ITEM, *self.partners)

    def config_of(self, name: str) -> RunConfig:
        return self.configs.get(name, self.config)

    def link(self, name: str) -> HearingLink:
        transport: Transport = self.hub.attach(name)
        wrap = self.wraps.get(name)
        config = self.config_of(name)
        self.links[name] = HearingLink(
            wrap(transport) if wrap else transport,
            self.identities[name],
            LinkConfig(
                name=name,
                roster={peer: key.public for peer, key in self.identities.items()},
                job=self.jobs.get(name, JOB),
                agreement=config.agreement(),
                limits=self.limits,
                timeout_s=config.exchange.timeout_s,
            ),
            released=self.released.get(name, nothing),
        )
        return self.links[name]

    def session(self, link: Link) -> Session:
        store: CheckpointStore = NoCheckpoints()
        if self.folder is not None:
            store = FolderCheckpoints(self.folder / link.name)
        return Session(
            link=link,
            config=self.config_of(link.name),
            partners=self.partners,
            private_seed=party_seed(self.config, link.name),
            store=store,
            watch=self.watch if link.name == ITEM else ignore_progress,
        )

    def party(self, name: str, world: World) -> ItemParty | Partner | Coordinator:
        link = self.link(name)
        if name == COORDINATOR:
            return Coordinator(link, self.config_of(name), self.partners, watch=self.follow)
        if name == ITEM:
            return ItemParty(self.session(link), world.item)
        return Partner(self.session(link), world.partners[name])


def party_seed(config: RunConfig, name: str) -> int:
    return derive_seed(config.seed, "party", name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How every party of a run ended: with an outcome or with an error."""

    outcomes: Mapping[str, Any]
    errors: Mapping[str, BaseException]
    seconds: float

    @property
    def item(self) -> ItemOutcome:
        outcome = self.outcomes[ITEM]
        assert isinstance(outcome, ItemOutcome)
        return outcome


def run_parties(table: Table, world: World) -> Ended:
    """Run every party in a thread of its own, and wait until all have ended by themselves."""
    parties = {name: table.party(name, world) for name in table.names}
    return run_all(table, {name: party.run for name, party in parties.items()})


def run_all(table: Table, work: Mapping[str, Callable[[], object]]) -> Ended:
    """Run work in threads; fails when one of them has not ended in time."""
    began = time.monotonic()
    with ThreadPoolExecutor(len(work)) as pool:
        futures: dict[str, Future[object]] = {n: pool.submit(run) for n, run in work.items()}
        _, late = wait(futures.values(), timeout=ENDS_WITHIN_S)
        table.hub.close()
    assert not late, f"still running: {[name for name, f in futures.items() if f in late]}"
    failed = {n: error for n, future in futures.items() if (error := future.exception())}
    return Ended(
        outcomes={n: future.result() for n, future in futures.items() if n not in failed},
        errors=failed,
        seconds=time.monotonic() - began,
    )


def run_against(table: Table, world: World, scripts: Mapping[str, Script]) -> Ended:
    """Some parties follow a script once they have greeted; the others are real."""

    def follow(link: Link, script: Script) -> None:
        with telling_others(link):
            link.greet()
            script(link)

    work: dict[str, Callable[[], object]] = {}
    for name in table.names:
        if name in scripts:
            work[name] = partial(follow, table.link(name), scripts[name])
        else:
            work[name] = table.party(name, world).run
    return run_all(table, work)


def federate(config: RunConfig, world: World, **ways: Any) -> Ended:  # noqa: ANN401
    """A whole run in which nothing may go wrong."""
    ended = run_parties(Table(config=config, partners=tuple(world.partners), **ways), world)
    for error in ended.errors.values():
        raise error
    return ended


class Failing:
    """A transport that fails at one of its party's receipts: once, or for good."""

    def __init__(self, inner: Transport, *, at: int, for_good: bool = False) -> None:
        self._inner = inner
        self._at = at
        self._for_good = for_good
        self.receipts = 0

    @property
    def dead(self) -> bool:
        return self._for_good and self.receipts > self._at

    def send(self, data: bytes) -> None:
        if self.dead:
            raise PeerLostError("the line is dead")
        self._inner.send(data)

    def receive(self, timeout: float) -> bytes:
        self.receipts += 1
        if self.receipts - 1 == self._at:
            raise Broken(f"failing at receipt {self._at}")
        if self.dead:
            raise PeerLostError("the line is dead")
        return self._inner.receive(timeout)

    def close(self) -> None:
        self._inner.close()


class Broken(Exception):
    """What tests make a party fail with."""
