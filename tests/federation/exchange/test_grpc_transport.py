"""Sessions over connections that break, stall and flood."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest

from federation.errors import (
    FederationError,
    MalformedError,
    PeerLostError,
    SessionOverError,
    TooLargeError,
)
from federation.exchange import grpc_transport
from federation.exchange.claims import Claim, Welcome
from federation.exchange.delivery import ACKNOWLEDGEMENT, MAGIC, WINDOW
from federation.exchange.grpc_hub import HubServer
from federation.exchange.grpc_options import KEEPALIVE_MS, KEEPALIVE_TIMEOUT_MS
from federation.exchange.grpc_transport import GrpcTransport
from federation.exchange.hub import Hub, HubConfig
from federation.exchange.link import Link
from federation.exchange.quota import Quota
from federation.exchange.transport import Transport
from federation.protocol.frames import Frame, FrameKind
from federation.protocol.limits import MIB
from federation.protocol.messages import Collected, Goodbye, ItemPoints
from tests.federation.exchange.certificates import material
from tests.federation.exchange.deployed import Deployed, admission, deployed, pins_of
from tests.federation.exchange.line import Line, greet_all, identity_of
from tests.federation.exchange.relay import Relay, relay_to

WAIT_S = 20.0


def sealed(sender: str, recipient: str, number: int = 0, body: bytes = b"") -> bytes:
    return Frame(FrameKind.SEALED, sender, recipient, number, body).encode()


def until(true: Callable[[], bool], seconds: float = WAIT_S) -> None:
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, "it never came true"
        time.sleep(0.01)


class Cuttable(Deployed):
    """A hub behind a relay, with the coordinator attached."""

    relay: Relay
    coordinator: Transport

    def begin(self) -> "Cuttable":
        self.relay = relay_to(self.port)
        self.coordinator = self.hub.attach("coordinator")
        return self

    def close(self) -> None:
        super().close()
        self.relay.close()


@pytest.fixture
def running() -> Iterator[Cuttable]:
    running = Cuttable().begin()
    try:
        yield running
    finally:
        running.close()


def dial(running: Cuttable, name: str = "item", **changes: float) -> GrpcTransport:
    return running.dial(name, address=running.relay.address, **changes)


def test_three_links_greet_and_talk_over_the_hub() -> None:
    names = ("coordinator", "item", "social")
    line = Line(names=names, timeout_s=WAIT_S)
    with deployed(names=names) as running:
        links = {
            name: Link(transport, identity_of(name), line.config(name))
            for name, transport in running.transports().items()
        }
        greet_all(links)
        points = ItemPoints(bytes(range(256)) * 4096)
        links["item"].post("social", points)
        links["social"].post("coordinator", Collected(5))
        links["coordinator"].post("item", Goodbye())

        assert links["social"].receive("item", ItemPoints) == points
        assert links["coordinator"].receive("social", Collected) == Collected(5)
        assert links["item"].receive("coordinator", Goodbye) == Goodbye()
        assert links["item"].mask_key("social") == links["social"].mask_key("item")


def test_links_survive_breaks_while_they_greet_and_talk(running: Cuttable) -> None:
    line = Line(names=running.names[:3], timeout_s=WAIT_S)
    transports: dict[str, Transport] = {}
    for name in line.names:
        here = name == "coordinator"
        transports[name] = running.coordinator if here else dial(running, name)
    with breaking(running.relay, every_s=0.3):
        links = {
            name: Link(transport, identity_of(name), line.config(name))
            for name, transport in transports.items()
        }
        greet_all(links)
        for number in range(60):
            links["item"].post("social", Collected(number))
            assert links["social"].receive("item", Collected) == Collected(number)
            links["social"].post("item", Goodbye())
            links["item"].receive("social", Goodbye)
            time.sleep(0.02)


@contextmanager
def breaking(relay: Relay, *, every_s: float) -> Iterator[None]:
    """Cut and restore a relay again and again."""
    done = threading.Event()

    def cut_often() -> None:
        while not done.wait(every_s):
            relay.cut()
            relay.restore()

    thread = threading.Thread(target=cut_often)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("after", [20_000, 150_000, 500_000, 900_000])
def test_no_frame_is_lost_or_comes_twice_wherever_the_connection_breaks(
    running: Cuttable, after: int
) -> None:
    item = dial(running)
    running.relay.carried = 0
    running.relay.cut_after = after
    restored = threading.Timer(0.3, running.relay.restore)
    restored.start()
    up = [sealed("item", "coordinator", number, bytes(40_000)) for number in range(15)]
    down = [sealed("coordinator", "item", number, bytes(40_000)) for number in range(15)]
    for frame, answer in zip(up, down, strict=True):
        item.send(frame)
        running.coordinator.send(answer)

    assert [running.coordinator.receive(WAIT_S) for _ in up] == up
    assert [item.receive(WAIT_S) for _ in down] == down
    restored.join()
    for each in (item, running.coordinator):
        with pytest.raises(PeerLostError, match="nothing came"):
            each.receive(0.05)


@pytest.mark.slow
def test_a_long_exchange_over_a_bad_line_is_whole(running: Cuttable) -> None:
    ends: dict[str, Transport] = {name: dial(running, name) for name in ("item", "social")}
    ends["coordinator"] = running.coordinator
    sizes = np.random.default_rng(5).integers(0, 300_000, 400).tolist()
    heard: dict[str, list[bytes]] = {name: [] for name in ends}

    def talk(name: str, to: str) -> None:
        for number, size in enumerate(sizes):
            ends[name].send(sealed(name, to, number, bytes(size)))

    def listen(name: str) -> None:
        for _ in sizes:
            heard[name].append(ends[name].receive(60.0))

    ring = {"item": "social", "social": "coordinator", "coordinator": "item"}
    with breaking(running.relay, every_s=0.2), ThreadPoolExecutor(6) as pool:
        work = [pool.submit(talk, name, to) for name, to in ring.items()]
        work += [pool.submit(listen, name) for name in ring]
        for each in work:
            each.result()

    for name, to in ring.items():
        assert heard[to] == [sealed(name, to, n, bytes(size)) for n, size in enumerate(sizes)]


def test_a_party_is_absent_while_its_connection_is_cut_and_comes_back(running: Cuttable) -> None:
    item = dial(running)
    assert "item" not in running.hub.absent()
    running.relay.cut()
    until(lambda: "item" in running.hub.absent())
    item.send(sealed("item", "coordinator"))
    running.coordinator.send(sealed("coordinator", "item"))
    running.relay.restore()

    assert running.coordinator.receive(WAIT_S) == sealed("item", "coordinator")
    assert item.receive(WAIT_S) == sealed("coordinator", "item")
    assert "item" not in running.hub.absent()


def test_a_cut_that_lasts_too_long_is_given_up(running: Cuttable) -> None:
    item = dial(running, reconnect_s=0.5)
    running.relay.cut()

    with pytest.raises(PeerLostError, match=r"item has not reached the hub at .* for \d+ s: "):
        item.receive(WAIT_S)
    with pytest.raises(PeerLostError, match="item has not reached the hub"):
        item.send(sealed("item", "coordinator"))


@pytest.mark.slow
def test_a_silent_cut_is_noticed_and_the_session_goes_on(running: Cuttable) -> None:
    item = dial(running, reconnect_s=60.0)
    running.relay.freeze()
    item.send(sealed("item", "coordinator"))
    assert (KEEPALIVE_MS + KEEPALIVE_TIMEOUT_MS) / 1000 < 20
    until(lambda: "item" in running.hub.absent(), 22.0)
    running.relay.restore()

    assert running.coordinator.receive(WAIT_S) == sealed("item", "coordinator")


def test_a_hub_that_comes_back_without_the_session_ends_it(running: Cuttable) -> None:
    item = dial(running)
    running.server.stop()
    newer = Hub(running.names, running.limits)
    newer.admit(admission("item", "social", "video"))
    address = f"127.0.0.1:{running.port}"
    server = HubServer(newer, address, tls=material("coordinator"), pins=pins_of(running.names))

    with pytest.raises(SessionOverError, match="the coordinator has closed its hub"):
        item.receive(WAIT_S)
    server.start()
    with pytest.raises(SessionOverError, match="item's session is over, a new order will come"):
        running.dial("item")
    server.stop()


def test_a_killed_hub_that_comes_back_ends_the_session_at_once(running: Cuttable) -> None:
    # A relay that leads elsewhere stands for a process that was killed and started again.
    ports = [running.port]
    relay = Relay(lambda _: ports[-1])
    item = running.dial("item", address=relay.address, reconnect_s=60.0)
    with deployed() as newer:
        ports.append(newer.port)
        relay.cut()
        relay.restore()
        began = time.monotonic()
        with pytest.raises(SessionOverError, match="item's session is over, a new order"):
            item.receive(WAIT_S)
        assert time.monotonic() - began < 5
    relay.close()


def test_ending_a_session_reaches_parties_that_wait_and_those_that_send(running: Cuttable) -> None:
    item = dial(running)
    running.coordinator.send(sealed("coordinator", "item"))
    until(lambda: running.hub.drain(0.01) or bool(item._inbox))
    threading.Timer(0.1, running.hub.end, ["video is lost"]).start()

    assert item.receive(WAIT_S) == sealed("coordinator", "item")  # what came is not lost
    with pytest.raises(SessionOverError, match=r"^video is lost$"):
        item.receive(WAIT_S)
    with pytest.raises(SessionOverError, match=r"^video is lost$"):
        item.send(sealed("item", "coordinator"))


def test_closing_delivers_what_was_sent(running: Cuttable) -> None:
    item = dial(running)
    frames = [sealed("item", "coordinator", number, bytes(MIB)) for number in range(5)]
    for frame in frames:
        item.send(frame)
    item.close()

    assert [running.coordinator.receive(WAIT_S) for _ in frames] == frames
    assert "item" not in running.hub.absent()


def test_closing_delivers_over_a_connection_that_is_cut_just_then(running: Cuttable) -> None:
    item = dial(running)
    running.relay.cut()
    item.send(sealed("item", "coordinator"))
    threading.Timer(0.3, running.relay.restore).start()
    item.close()

    assert running.coordinator.receive(WAIT_S) == sealed("item", "coordinator")


def test_closing_ends_the_wait_of_another_thread(running: Cuttable) -> None:
    item = dial(running)
    closing = threading.Timer(0.1, item.close)
    closing.start()

    with pytest.raises(PeerLostError, match="this transport is closed"):
        item.receive(WAIT_S)
    closing.join()


def test_closing_does_not_wait_for_a_hub_that_takes_nothing(
    running: Cuttable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grpc_transport, "LINGER_S", 0.2)
    item = dial(running)
    running.relay.freeze()
    item.send(sealed("item", "coordinator"))

    began = time.monotonic()
    item.close()
    assert time.monotonic() - began < 5
    running.relay.restore()


def test_closing_does_not_wait_for_a_session_that_is_over(running: Cuttable) -> None:
    item = dial(running)
    running.hub.end("enough")
    with pytest.raises(PeerLostError):
        item.receive(WAIT_S)

    began = time.monotonic()
    item.close()
    assert time.monotonic() - began < 2


def test_a_flood_blocks_the_flooding_party_and_no_other() -> None:
    config = HubConfig(mailbox=Quota(frames=2))
    with deployed(config=config) as running:
        flood = running.dial("item", send_timeout_s=0.3)
        video, social = running.dial("video"), running.dial("social")
        for number in range(config.mailbox.frames + 2 * WINDOW.frames):
            flood.send(sealed("item", "coordinator", number))
            if number == config.mailbox.frames + WINDOW.frames - 1:
                break
        until(lambda: not flood._departures.has_room(1))
        with pytest.raises(PeerLostError, match=r"^coordinator takes no more frames$"):
            flood.send(sealed("item", "coordinator"))

        coordinator = running.hub.attach("coordinator")
        video.send(sealed("video", "coordinator"))
        video.send(sealed("video", "social"))
        assert social.receive(WAIT_S) == sealed("video", "social")
        heard = [coordinator.receive(WAIT_S) for _ in range(4)]
        assert sealed("video", "coordinator") in heard


def test_a_party_that_reads_nothing_holds_up_no_other() -> None:
    config = HubConfig(mailbox=Quota(frames=2), send_timeout_s=0.2)
    with deployed(config=config) as running:
        slow, quick = running.dial("video"), running.dial("social")
        coordinator = running.hub.attach("coordinator")
        for number in range(WINDOW.frames + config.mailbox.frames):
            coordinator.send(sealed("coordinator", "video", number))
        with pytest.raises(PeerLostError, match=r"^video takes no more frames$"):
            coordinator.send(sealed("coordinator", "video"))

        coordinator.send(sealed("coordinator", "social"))
        assert quick.receive(WAIT_S) == sealed("coordinator", "social")
        assert slow.receive(WAIT_S) == sealed("coordinator", "video")


def test_a_frame_that_comes_slowly_holds_up_no_other(running: Cuttable) -> None:
    slow, quick = dial(running), running.dial("social")
    running.relay.freeze()
    slow.send(sealed("item", "coordinator", body=bytes(MIB)))
    quick.send(sealed("social", "coordinator"))

    assert running.coordinator.receive(WAIT_S) == sealed("social", "coordinator")
    running.relay.restore()
    assert running.coordinator.receive(WAIT_S) == sealed("item", "coordinator", body=bytes(MIB))


def test_a_hub_has_two_threads_for_a_party_however_often_it_comes(running: Cuttable) -> None:
    def threads() -> int:
        ours = ("hub-reader", "hub-writer")
        return sum(thread.name.startswith(ours) for thread in threading.enumerate())

    dial(running)
    before = threads()
    for _ in range(10):
        running.relay.cut()
        until(lambda: "item" in running.hub.absent())
        running.relay.restore()
        until(lambda: "item" not in running.hub.absent())

    until(lambda: threads() <= before + 2)


def test_the_wire_carries_little_more_than_the_payload(running: Cuttable) -> None:
    item = dial(running)
    until(lambda: "item" not in running.hub.absent())
    running.relay.carried = 0
    body = bytes(256 * 1024)
    for number in range(20):
        item.send(sealed("item", "coordinator", number, body))
        running.coordinator.receive(WAIT_S)
        running.coordinator.send(sealed("coordinator", "item", number, body))
        item.receive(WAIT_S)

    until(lambda: running.relay.carried >= 40 * len(body))
    assert running.relay.carried <= 1.05 * 40 * len(body)


class HostileHub(Hub):
    """Lets parties in, and then is what a test makes of it."""

    welcome = Welcome(arrived=0, names=("coordinator", "item"), max_frame_bytes=MIB)
    messages: tuple[bytes, ...] = ()

    def enter(self, name: str, claim: Claim) -> "HostileConnection":  # type: ignore[override]
        return HostileConnection(self)


class HostileConnection:
    party = "item"

    def __init__(self, hub: HostileHub) -> None:
        self.welcome = hub.welcome
        self._messages = iter(hub.messages)

    def accept(self, message: bytes) -> None:
        pass

    def lose(self) -> bool:
        return False

    def next(self) -> bytes | None:
        return next(self._messages, None)


@pytest.mark.parametrize(
    ("welcome", "messages", "error", "sentence"),
    [
        (Welcome(arrived=3, names=("item",), max_frame_bytes=MIB), (), MalformedError, "arrived"),
        (
            Welcome(arrived=0, names=("video",), max_frame_bytes=MIB),
            (),
            MalformedError,
            "the hub does not know item",
        ),
        (HostileHub.welcome, (ACKNOWLEDGEMENT.pack(MAGIC, 1),), MalformedError, "1 frames are"),
        (HostileHub.welcome, (MAGIC + b"x",), MalformedError, "an acknowledgement of 3 bytes"),
        (
            HostileHub.welcome,
            (b"flood",) * (WINDOW.frames + 1),
            TooLargeError,
            "without waiting",
        ),
    ],
    ids=["arrived", "a stranger", "acknowledged", "malformed", "flood"],
)
def test_what_a_hub_may_not_send_ends_the_transport(
    welcome: Welcome, messages: tuple[bytes, ...], error: type[FederationError], sentence: str
) -> None:
    names = ("coordinator", "item")
    with deployed(names=names) as running:
        hostile = HostileHub(names, running.limits)
        hostile.welcome, hostile.messages = welcome, messages
        server = HubServer(
            hostile, "127.0.0.1:0", tls=material("coordinator"), pins=pins_of(names)
        )
        port = server.start()
        with pytest.raises(error, match=sentence):
            _use(running, f"127.0.0.1:{port}")
        server.stop()


def test_a_call_that_the_hub_ends_without_a_reason_is_dialled_again() -> None:
    names = ("coordinator", "item")
    frame = sealed("coordinator", "item")
    with deployed(names=names) as running:
        hostile = HostileHub(names, running.limits)
        hostile.messages = (frame,)
        server = HubServer(
            hostile, "127.0.0.1:0", tls=material("coordinator"), pins=pins_of(names)
        )
        item = running.dial("item", address=f"127.0.0.1:{server.start()}")

        assert [item.receive(WAIT_S), item.receive(WAIT_S)] == [frame, frame]
        item.close()
        server.stop()


def _use(running: Deployed, address: str) -> None:
    item = running.dial("item", address=address)
    until(lambda: item._failure is not None)
    for _ in range(WINDOW.frames + 1):
        item.receive(WAIT_S)
