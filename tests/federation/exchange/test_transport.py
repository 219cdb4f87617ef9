"""The contract of `Transport`, for every implementation in the package."""

import ast
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

import pytest

import federation
from federation.errors import MalformedError, PeerLostError, TooLargeError, UnknownPeerError
from federation.exchange.grpc_transport import GrpcTransport
from federation.exchange.hub import Hub
from federation.exchange.memory import MemoryHub, MemoryTransport
from federation.exchange.transport import Transport
from federation.protocol.frames import EVERYONE, Frame, FrameKind
from federation.protocol.limits import Limits
from tests.federation.exchange.deployed import admission, deployed

NAMES = ("item", "social", "video")
LIMITS = Limits(max_frame_bytes=10_000)
TIMEOUT_S = 5.0
SHORT_S = 0.01

Open = Callable[[Sequence[str]], AbstractContextManager[dict[str, Transport]]]


@contextmanager
def over_memory(names: Sequence[str]) -> Iterator[dict[str, Transport]]:
    hub = MemoryHub(names, LIMITS)
    yield {name: hub.attach(name) for name in names}


@contextmanager
def over_a_hub(names: Sequence[str]) -> Iterator[dict[str, Transport]]:
    hub = Hub(names, LIMITS)
    hub.admit(admission())
    yield {name: hub.attach(name) for name in names}


@contextmanager
def over_grpc(names: Sequence[str]) -> Iterator[dict[str, Transport]]:
    with deployed(names=names, limits=LIMITS, here=()) as running:
        yield running.transports()


@contextmanager
def over_both(names: Sequence[str]) -> Iterator[dict[str, Transport]]:
    with deployed(names=names, limits=LIMITS, here=names[1:2]) as running:
        yield running.transports()


IMPLEMENTATIONS: Final[dict[str, tuple[type, Open]]] = {
    "memory": (MemoryTransport, over_memory),
    "hub": (MemoryTransport, over_a_hub),
    "gRPC": (GrpcTransport, over_grpc),
    "gRPC and hub": (GrpcTransport, over_both),
}


@pytest.fixture(params=IMPLEMENTATIONS)
def ends(request: pytest.FixtureRequest) -> Iterator[dict[str, Transport]]:
    _, opened = IMPLEMENTATIONS[request.param]
    with opened(NAMES) as transports:
        yield transports


def sealed(sender: str, recipient: str, counter: int = 0, body: bytes = b"") -> bytes:
    return Frame(FrameKind.SEALED, sender, recipient, counter, body).encode()


def test_every_implementation_is_under_contract() -> None:
    methods = {"send", "receive", "close"}
    found = {
        node.name
        for file in Path(next(iter(federation.__path__))).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
        and methods <= {f.name for f in node.body if isinstance(f, ast.FunctionDef)}
    }

    assert found - {"Transport", "Link"} == {kind.__name__ for kind, _ in IMPLEMENTATIONS.values()}


def test_a_frame_arrives_whole(ends: dict[str, Transport]) -> None:
    frame = sealed("item", "social", body=bytes(range(256)) * 30)
    ends["item"].send(frame)

    assert ends["social"].receive(TIMEOUT_S) == frame


def test_frames_of_a_sender_arrive_in_order(ends: dict[str, Transport]) -> None:
    frames = [sealed("item", "social", counter) for counter in range(20)]
    for frame in frames:
        ends["item"].send(frame)

    assert [ends["social"].receive(TIMEOUT_S) for _ in frames] == frames


def test_a_greeting_arrives_at_everyone_but_its_sender(ends: dict[str, Transport]) -> None:
    greeting = Frame(FrameKind.GREETING, "item", EVERYONE, 0, b"hello").encode()
    ends["item"].send(greeting)

    assert ends["social"].receive(TIMEOUT_S) == greeting
    assert ends["video"].receive(TIMEOUT_S) == greeting
    with pytest.raises(PeerLostError):
        ends["item"].receive(SHORT_S)


def test_a_party_that_is_not_the_recipient_gets_nothing(ends: dict[str, Transport]) -> None:
    ends["item"].send(sealed("item", "social"))

    with pytest.raises(PeerLostError):
        ends["video"].receive(SHORT_S)


def test_a_wait_ends_when_a_frame_comes(ends: dict[str, Transport]) -> None:
    frame = sealed("item", "social")
    sender = threading.Timer(0.05, ends["item"].send, [frame])
    sender.start()

    assert ends["social"].receive(TIMEOUT_S) == frame
    sender.join()


def test_a_wait_in_vain_ends_after_the_timeout(ends: dict[str, Transport]) -> None:
    with pytest.raises(PeerLostError):
        ends["social"].receive(SHORT_S)

    frame = sealed("item", "social")
    ends["item"].send(frame)
    assert ends["social"].receive(TIMEOUT_S) == frame


@pytest.mark.parametrize(
    ("frame", "error"),
    [
        (sealed("video", "social"), UnknownPeerError),
        (sealed("item", "mallory"), UnknownPeerError),
        (sealed("item", "item"), UnknownPeerError),
        (b"no frame at all", MalformedError),
        (sealed("item", "social", body=bytes(10_000)), TooLargeError),
    ],
    ids=["another's name", "to a stranger", "to oneself", "no frame", "too large"],
)
def test_an_unacceptable_frame_is_refused_and_changes_nothing(
    ends: dict[str, Transport], frame: bytes, error: type[Exception]
) -> None:
    with pytest.raises(error):
        ends["item"].send(frame)

    right = sealed("item", "social")
    ends["item"].send(right)
    assert ends["social"].receive(TIMEOUT_S) == right


def test_a_closed_transport_moves_nothing(ends: dict[str, Transport]) -> None:
    ends["item"].close()
    ends["item"].close()

    with pytest.raises(PeerLostError):
        ends["item"].send(sealed("item", "social"))
    with pytest.raises(PeerLostError):
        ends["item"].receive(TIMEOUT_S)
