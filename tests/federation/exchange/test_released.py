"""What a link says of each frame before it leaves, and what it does when it may not."""

import pytest

from federation.errors import PeerLostError, SettingError
from federation.exchange.link import Link
from federation.exchange.memory import MemoryHub
from federation.exchange.traffic import Release
from federation.exchange.transport import Transport
from federation.protocol.frames import EVERYONE
from federation.protocol.limits import Limits
from federation.protocol.messages import Activations, Collected, EpochEnd, Stopped
from tests.federation.exchange.line import NAMES, Line, greet_all


class LedgerFull(Exception):
    """What a test's note-taker refuses with."""


class Notes:
    """Takes note of what leaves, until it is told to refuse."""

    def __init__(self) -> None:
        self.taken: list[Release] = []
        self.refuses = False

    def __call__(self, release: Release) -> None:
        if self.refuses:
            raise LedgerFull
        self.taken.append(release)


class Counting:
    """A transport that keeps the size of every frame that was handed to it."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.sizes: list[int] = []

    def send(self, data: bytes) -> None:
        self.sizes.append(len(data))
        self._inner.send(data)

    def receive(self, timeout: float) -> bytes:
        return self._inner.receive(timeout)

    def close(self) -> None:
        self._inner.close()


class Watched:
    """A greeted line whose party `social` is watched from both sides."""

    def __init__(self, *, greets: bool = True) -> None:
        self.notes = Notes()
        self.wires: dict[str, Counting] = {}
        line = Line(wrap=self._wrap, released={"social": self.notes})
        self.links: dict[str, Link] = line.links()
        if greets:
            greet_all(self.links)

    def _wrap(self, name: str, transport: Transport) -> Transport:
        self.wires[name] = Counting(transport)
        return self.wires[name]

    @property
    def link(self) -> Link:
        return self.links["social"]

    @property
    def sizes(self) -> list[int]:
        return self.wires["social"].sizes


def test_greeting_and_key_confirmations_are_released_too() -> None:
    watched = Watched()

    kinds = [(each.kind, each.recipient) for each in watched.notes.taken]
    assert kinds[0] == ("Greeting", EVERYONE)
    others = {("KeyConfirmation", name) for name in NAMES if name != "social"}
    assert set(kinds[1:]) == others
    assert len(kinds) == len(NAMES)


def test_a_release_is_told_with_the_size_that_crosses() -> None:
    watched = Watched()
    watched.link.post("coordinator", Activations(7, 2, (b"1234",)))
    watched.link.post("item", EpochEnd(0, best=True))

    first, second = watched.notes.taken[-2:]
    assert (first.kind, first.recipient, first.step) == ("Activations", "coordinator", 7)
    assert (second.kind, second.recipient, second.step) == ("EpochEnd", "item", None)
    assert [each.bytes for each in watched.notes.taken] == watched.sizes
    assert sum(watched.sizes) == sum(watched.link.traffic.bytes_by_stage().values())


def test_a_reason_to_stop_is_released_to_everyone_by_name() -> None:
    watched = Watched()
    watched.link.stop("the disk is full")

    told = [each.recipient for each in watched.notes.taken if each.kind == "Stopped"]
    assert sorted(told) == ["coordinator", "item", "video"]


def test_nothing_is_sent_when_a_release_cannot_be_noted() -> None:
    watched = Watched()
    sent = list(watched.sizes)
    watched.notes.refuses = True
    with pytest.raises(LedgerFull):
        watched.link.post("item", Collected(1))
    with pytest.raises(LedgerFull):
        watched.link.stop("no disk")

    assert watched.sizes == sent
    assert sum(watched.link.traffic.bytes_by_stage().values()) == sum(sent)


def test_a_refused_release_leaves_no_gap_in_the_line() -> None:
    watched = Watched()
    watched.notes.refuses = True
    with pytest.raises(LedgerFull):
        watched.link.post("item", Collected(1))
    watched.notes.refuses = False
    watched.link.post("item", Collected(2))

    assert watched.links["item"].receive("social", Collected) == Collected(2)


def test_a_party_that_cannot_note_its_greeting_greets_nobody() -> None:
    watched = Watched(greets=False)
    watched.notes.refuses = True
    with pytest.raises(LedgerFull):
        watched.link.greet()

    with pytest.raises(LedgerFull):  # nor does it tell anybody that it stops
        watched.link.stop("no disk")

    assert watched.sizes == []


def test_a_frame_over_the_limit_is_not_released() -> None:
    notes = Notes()
    limits = Limits(max_frame_bytes=2000)
    links = Line(limits=limits, released={"social": notes}).greeted()
    before = len(notes.taken)
    with pytest.raises(SettingError):
        links["social"].post("item", Stopped("x" * 5000))

    assert len(notes.taken) == before


def test_a_release_is_noted_even_if_the_transport_then_fails() -> None:
    notes = Notes()
    line = Line(released={"social": notes})
    hub = MemoryHub(line.names, line.limits)
    links = line.links(hub)
    greet_all(links)
    counted = links["social"].traffic.frames_by_stage()
    hub.close()
    with pytest.raises(PeerLostError):
        links["social"].post("item", Collected(3))

    assert notes.taken[-1].step == 3
    assert links["social"].traffic.frames_by_stage() == counted
