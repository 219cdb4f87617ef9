"""The coordinator's own hub turns hostile: real gRPC, TLS and links, and a session that lies.

What the hub can do to sealed frames in memory is in `test_hostile_hub`; here it also lies in what
its half of the wire says: who takes part, what it has, and what is acknowledged.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from federation.errors import (
    FederationError,
    PeerLostError,
    ReplayedError,
    TamperedError,
    UnknownPeerError,
)
from federation.exchange.claims import Claim, Welcome
from federation.exchange.hub_session import Connection, HubSession
from federation.exchange.link import Link, LinkConfig
from federation.protocol.frames import FrameKind, decode_frame
from federation.protocol.limits import Limits
from federation.protocol.messages import Activations, EpochEnd, Goodbye
from tests.federation.attacks.wire import LIMITS
from tests.federation.exchange.deployed import NAMES, Deployed
from tests.federation.exchange.line import AGREEMENT, JOB, identity_of

SECRET = b"h of listener-0007"
Deal = Callable[["HostileSession", str, str, bytes], None]


class HostileSession(HubSession):
    """A hub's session that deals frames out as it likes, once it is told to."""

    deal: ClassVar[Deal | None] = None
    lie: ClassVar[Callable[[Welcome], Welcome] | None] = None
    carried: ClassVar[list[tuple[str, bytes]]] = []

    def connect(self, claim: Claim) -> Connection:
        connection = super().connect(claim)
        if HostileSession.lie is not None:
            connection.welcome = HostileSession.lie(connection.welcome)
        return connection

    def _put(self, sender: str, recipient: str, frame: bytes) -> None:
        self.carried.append((recipient, frame))
        sealed = decode_frame(frame, LIMITS).kind is FrameKind.SEALED
        if HostileSession.deal is None or not sealed:
            self.hand_out(sender, recipient, frame)
        else:
            HostileSession.deal(self, sender, recipient, frame)

    def hand_out(self, sender: str, recipient: str, frame: bytes) -> None:
        super()._put(sender, recipient, frame)


@pytest.fixture(autouse=True)
def hostile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("federation.exchange.hub.HubSession", HostileSession)
    monkeypatch.setattr(HostileSession, "deal", None)
    monkeypatch.setattr(HostileSession, "lie", None)
    monkeypatch.setattr(HostileSession, "carried", [])


@dataclass(frozen=True)
class Parties:
    running: Deployed
    links: Mapping[str, Link]

    def turn(self, deal: Deal) -> None:
        """From now on the hub does this to every frame."""
        HostileSession.deal = deal


def link_of(running: Deployed, name: str, *, timeout_s: float) -> Link:
    remote = name != "coordinator"
    transport = running.dial(name) if remote else running.hub.attach(name)
    roster = {each: identity_of(each).public for each in NAMES}
    config = LinkConfig(
        name=name, roster=roster, job=JOB, agreement=AGREEMENT, timeout_s=timeout_s
    )
    return Link(transport, identity_of(name), config)


@contextmanager
def joined(timeout_s: float = 3.0) -> Iterator[Parties]:
    running = Deployed()
    try:
        with ThreadPoolExecutor(len(NAMES)) as pool:
            links = {name: link_of(running, name, timeout_s=timeout_s) for name in NAMES}
            list(pool.map(lambda link: link.greet(), links.values()))
        yield Parties(running, links)
    finally:
        running.close()


def drop(session: HostileSession, sender: str, recipient: str, frame: bytes) -> None:
    return


def repeat(session: HostileSession, sender: str, recipient: str, frame: bytes) -> None:
    session.hand_out(sender, recipient, frame)
    session.hand_out(sender, recipient, frame)


def swap(session: HostileSession, sender: str, recipient: str, frame: bytes) -> None:
    other = {"item": "video", "video": "item"}.get(recipient, recipient)
    session.hand_out(sender, other, frame)


def reflect(session: HostileSession, sender: str, recipient: str, frame: bytes) -> None:
    session.hand_out(recipient, sender, frame)


def flip(session: HostileSession, sender: str, recipient: str, frame: bytes) -> None:
    session.hand_out(sender, recipient, frame[:-1] + bytes([frame[-1] ^ 1]))


def forge(session: HostileSession, sender: str, recipient: str, frame: bytes) -> None:
    header = decode_frame(frame, LIMITS).header()
    session.hand_out(sender, recipient, header + bytes(len(frame) - len(header)))


def rename(session: HostileSession, sender: str, recipient: str, frame: bytes) -> None:
    honest = decode_frame(frame, LIMITS)
    session.hand_out(sender, recipient, replace(honest, sender="video").encode())


class Reorder:
    """Two frames in the other order."""

    def __init__(self) -> None:
        self.held: tuple[str, str, bytes] | None = None

    def __call__(self, session: HostileSession, sender: str, recipient: str, frame: bytes) -> None:
        if self.held is None:
            self.held = sender, recipient, frame
            return
        session.hand_out(sender, recipient, frame)
        session.hand_out(*self.held)


# Attack → how, who is to take the wrong frame for one of social's, and what it is refused with.
ATTACKS: Mapping[str, tuple[Callable[[], Deal], str, type[FederationError]]] = {
    "given to another party": (lambda: swap, "video", UnknownPeerError),
    "sent back": (lambda: reflect, "social", UnknownPeerError),
    "changed": (lambda: flip, "item", TamperedError),
    "forged": (lambda: forge, "item", TamperedError),
    "under another name": (lambda: rename, "item", TamperedError),
    "in another order": (Reorder, "item", ReplayedError),
    "dropped": (lambda: drop, "item", PeerLostError),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_hub_that_deals_frames_otherwise_makes_no_party_take_a_wrong_one(attack: str) -> None:
    deal, victim, refusal = ATTACKS[attack]
    with joined(timeout_s=2.0) as parties:
        parties.turn(deal())
        for step in range(2):
            parties.links["social"].post("item", EpochEnd(step, best=True))
        awaited = "social" if victim == "item" else "item"
        with pytest.raises(refusal):
            parties.links[victim].receive(awaited, EpochEnd)


def test_a_frame_that_a_hub_repeats_is_taken_once() -> None:
    with joined() as parties:
        parties.turn(repeat)
        parties.links["social"].post("item", EpochEnd(1, best=True))
        item = parties.links["item"]
        assert item.receive("social", EpochEnd) == EpochEnd(1, best=True)
        with pytest.raises(FederationError):
            item.receive("social", EpochEnd)


def test_a_frame_of_an_earlier_session_is_worth_nothing_in_the_next() -> None:
    with joined() as parties:
        parties.links["social"].post("item", EpochEnd(1, best=True))
        parties.links["item"].receive("social", EpochEnd)
        old = HostileSession.carried[-1][1]

    def replay(session: HostileSession, sender: str, recipient: str, frame: bytes) -> None:
        session.hand_out(sender, recipient, old if sender == "social" else frame)

    with joined() as parties:
        parties.turn(replay)
        parties.links["social"].post("item", EpochEnd(2, best=False))
        with pytest.raises(FederationError):
            parties.links["item"].receive("social", EpochEnd)


def test_a_hub_reads_nothing_but_who_sends_how_much_to_whom() -> None:
    with joined() as parties:
        message = Activations(3, 1, (SECRET * 20,))
        parties.links["social"].post("item", message)
        parties.links["item"].receive("social", Activations)
        parties.links["item"].post("social", Goodbye())
        parties.links["social"].receive("item", Goodbye)
    frames = [decode_frame(frame, LIMITS) for _, frame in HostileSession.carried]
    greetings = [frame for frame in frames if frame.kind is FrameKind.GREETING]
    assert len(greetings) == len(NAMES) * (len(NAMES) - 1)
    assert all(len(frame.body) < 200 for frame in greetings)
    sealed = [frame.body for frame in frames if frame.kind is FrameKind.SEALED]
    assert sealed
    for body in sealed:
        for needle in (SECRET, b"Activations", b"Goodbye", JOB, AGREEMENT):
            assert needle not in body


def one_more(welcome: Welcome) -> Welcome:
    return replace(welcome, names=(*welcome.names, "mallory"))


def without_us(welcome: Welcome) -> Welcome:
    return replace(welcome, names=("coordinator", "mallory"))


def has_all(welcome: Welcome) -> Welcome:
    return replace(welcome, arrived=10**17)


def takes_nothing(welcome: Welcome) -> Welcome:
    return replace(welcome, max_frame_bytes=0)


@pytest.mark.parametrize("lie", [without_us, has_all, takes_nothing])
def test_a_hub_that_lies_in_its_welcome_gets_no_frame(
    lie: Callable[[Welcome], Welcome],
) -> None:
    HostileSession.lie = lie
    running = Deployed()
    try:
        with pytest.raises(FederationError):
            link_of(running, "social", timeout_s=1.0).greet()
        assert not [frame for frame in HostileSession.carried if frame[0] != "social"]
    finally:
        running.close()


def test_a_party_that_a_hub_invents_hears_greetings_and_nothing_else() -> None:
    HostileSession.lie = one_more
    with joined() as parties:
        with pytest.raises(FederationError, match="no keys with mallory"):
            parties.links["social"].post("mallory", Goodbye())
        parties.links["social"].post("item", EpochEnd(1, best=True))
        assert parties.links["item"].receive("social", EpochEnd).epoch == 1


def test_a_hub_that_cuts_off_one_party_ends_the_session_for_all_and_nobody_hangs() -> None:
    with joined(timeout_s=1.5) as parties:

        def isolate(session: HostileSession, sender: str, recipient: str, frame: bytes) -> None:
            if "video" not in (sender, recipient):
                session.hand_out(sender, recipient, frame)

        parties.turn(isolate)
        parties.links["video"].post("item", EpochEnd(1, best=True))
        waiting: Future[EpochEnd]
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(parties.links["item"].receive, "video", EpochEnd)
            assert isinstance(waiting.exception(timeout=10), PeerLostError)
    assert not [each for each in threading.enumerate() if each.name == "hub-line"]


def test_frames_have_one_limit_however_large_a_hub_says_they_may_be() -> None:
    HostileSession.lie = lambda welcome: replace(welcome, max_frame_bytes=10**17)
    running = Deployed(limits=Limits(max_frame_bytes=4096))
    try:
        social = running.dial("social")
        with pytest.raises(FederationError, match="over the limit of 4096"):
            social.send(bytes(5000))
    finally:
        running.close()
