import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import pytest

from federation.errors import (
    MalformedError,
    PeerError,
    PeerLostError,
    SecondProcessError,
    SessionOverError,
    SettingError,
    TooLargeError,
    UnknownPeerError,
)
from federation.exchange import hub as hub_module
from federation.exchange.claims import Claim
from federation.exchange.delivery import ACKNOWLEDGEMENT, LEAVE, MAGIC, WINDOW, is_acknowledgement
from federation.exchange.hub import Admission, Hub, HubConfig
from federation.exchange.hub_session import Connection
from federation.exchange.quota import Quota
from federation.exchange.transport import Transport
from federation.protocol.frames import EVERYONE, Frame, FrameKind
from federation.protocol.limits import Limits
from tests.federation.exchange.deployed import NAMES, admission

Value = TypeVar("Value")
CONFIG = HubConfig(mailbox=Quota(frames=2), send_timeout_s=0.1)


def sealed(sender: str, recipient: str, number: int = 0, body: bytes = b"") -> bytes:
    return Frame(FrameKind.SEALED, sender, recipient, number, body).encode()


def acknowledgement(count: int) -> bytes:
    return ACKNOWLEDGEMENT.pack(MAGIC, count)


class Running:
    """A hub with a session open, and parties that join it without sockets."""

    def __init__(self, config: HubConfig = CONFIG) -> None:
        self.hub = Hub(NAMES, Limits(max_frame_bytes=1000), config)
        self.admission = admission("item", "social", "video")
        self.hub.admit(self.admission)
        self.instances = {name: secrets.token_bytes(16) for name in NAMES}

    def claim(self, name: str, arrived: int = 0) -> Claim:
        return Claim(
            party=name,
            session=self.admission.session,
            token=self.admission.tokens.get(name, bytes(32)),
            instance=self.instances[name],
            arrived=arrived,
        )

    def join(self, name: str, arrived: int = 0) -> Connection:
        return self.hub.enter(name, self.claim(name, arrived))

    def coordinator(self) -> Transport:
        return self.hub.attach("coordinator")


@pytest.fixture
def running() -> Running:
    return Running()


def in_time(work: Callable[[], Value]) -> Value:
    """Run what might wait for ever."""
    results: list[Value] = []
    thread = threading.Thread(target=lambda: results.append(work()), daemon=True)
    thread.start()
    thread.join(5.0)
    assert results, "it waits for ever"
    return results[0]


def frames(connection: Connection, count: int) -> list[bytes]:
    """The next frames for a party, acknowledgements left out."""
    found: list[bytes] = []
    while len(found) < count:
        message = in_time(connection.next)
        assert message is not None
        if not is_acknowledgement(message):
            found.append(message)
    return found


def test_a_remote_party_and_one_in_process_reach_each_other(running: Running) -> None:
    item, coordinator = running.join("item"), running.coordinator()
    item.accept(sealed("item", "coordinator"))
    coordinator.send(sealed("coordinator", "item"))

    assert coordinator.receive(1.0) == sealed("item", "coordinator")
    assert frames(item, 1) == [sealed("coordinator", "item")]


def test_remote_parties_reach_each_other(running: Running) -> None:
    item, social = running.join("item"), running.join("social")
    item.accept(sealed("item", "social"))

    assert frames(social, 1) == [sealed("item", "social")]


def test_a_greeting_waits_for_parties_that_are_not_there_yet(running: Running) -> None:
    greeting = Frame(FrameKind.GREETING, "item", EVERYONE, 0, b"hello").encode()
    running.join("item").accept(greeting)

    assert frames(running.join("video"), 1) == [greeting]
    assert running.coordinator().receive(1.0) == greeting


def test_a_party_is_welcomed_with_what_the_hub_has(running: Running) -> None:
    item = running.join("item")
    item.accept(sealed("item", "social"))
    again = running.join("item")

    assert again.party == "item"
    assert (again.welcome.arrived, again.welcome.names) == (1, NAMES)
    assert again.welcome.max_frame_bytes == 1000


def test_a_frame_is_acknowledged_when_it_is_in_the_mailbox(running: Running) -> None:
    item = running.join("item")
    item.accept(sealed("item", "social"))

    assert in_time(item.next) == acknowledgement(1)


def test_a_frame_without_room_is_acknowledged_when_there_is_some(running: Running) -> None:
    item, coordinator = running.join("item"), running.coordinator()
    sent = [sealed("item", "coordinator", number) for number in range(3)]
    for frame in sent:
        item.accept(frame)
    assert in_time(item.next) == acknowledgement(2)

    assert coordinator.receive(1.0) == sent[0]
    assert in_time(item.next) == acknowledgement(3)
    assert [coordinator.receive(1.0), coordinator.receive(1.0)] == sent[1:]


def test_acknowledgements_come_in_while_a_frame_has_no_room(running: Running) -> None:
    item, coordinator = running.join("item"), running.coordinator()
    for number in range(3):
        item.accept(sealed("item", "social", number))
    coordinator.send(sealed("coordinator", "item"))
    frames(item, 1)
    assert not running.hub.drain(0.01)

    item.accept(acknowledgement(1))
    running.join("social").accept(LEAVE)
    assert in_time(lambda: running.hub.drain(5.0))


def test_a_flooding_party_blocks_only_itself(running: Running) -> None:
    item, video = running.join("item"), running.join("video")
    for number in range(100):
        item.accept(sealed("item", "social", number))
    video.accept(sealed("video", "social"))
    coordinator = running.coordinator()
    coordinator.send(sealed("coordinator", "social"))

    heard = frames(running.join("social"), 4)
    assert sealed("video", "social") in heard[:3]
    assert sealed("coordinator", "social") in heard[:3]


def test_a_party_that_sends_beyond_its_window_is_refused(running: Running) -> None:
    item = running.join("item")
    for number in range(CONFIG.mailbox.frames + WINDOW.frames):
        item.accept(sealed("item", "social", number))

    with pytest.raises(TooLargeError, match="without waiting for their turn"):
        item.accept(sealed("item", "social"))


def test_frames_that_were_not_acknowledged_come_again_after_a_break(running: Running) -> None:
    coordinator, item = running.coordinator(), running.join("item")
    sent = [sealed("coordinator", "item", number) for number in range(2)]
    for frame in sent:
        coordinator.send(frame)
    assert frames(item, 2) == sent
    item.lose()

    assert frames(running.join("item", arrived=1), 1) == sent[1:]
    assert frames(running.join("item", arrived=0), 2) == sent


def test_a_window_without_room_leaves_frames_in_the_mailbox() -> None:
    running = Running(HubConfig(mailbox=Quota(frames=WINDOW.frames + 1), send_timeout_s=0.1))
    coordinator, item = running.coordinator(), running.join("item")
    for number in range(WINDOW.frames + 1):
        coordinator.send(sealed("coordinator", "item", number))
    frames(item, WINDOW.frames)
    threading.Timer(0.05, item.accept, [acknowledgement(1)]).start()

    assert frames(item, 1) == [sealed("coordinator", "item", WINDOW.frames)]


def test_an_older_connection_moves_nothing(running: Running) -> None:
    older = running.join("item")
    newer = running.join("item")
    older.accept(sealed("item", "social"))
    older.accept(acknowledgement(99))
    older.accept(LEAVE)
    assert not older.lose()

    assert in_time(older.next) is None
    assert running.hub.absent().keys() == {"social", "video"}
    running.coordinator().send(sealed("coordinator", "item"))
    assert frames(newer, 1) == [sealed("coordinator", "item")]


def test_a_newer_connection_ends_the_wait_of_the_older(running: Running) -> None:
    older = running.join("item")
    threading.Timer(0.05, running.join, ["item"]).start()

    assert in_time(older.next) is None


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (b"", MalformedError),
        (b"no frame at all", MalformedError),
        (MAGIC + b"short", MalformedError),
        (acknowledgement(1), MalformedError),
        (LEAVE + b"x", MalformedError),
        (sealed("video", "social"), UnknownPeerError),
        (sealed("item", "mallory"), UnknownPeerError),
        (sealed("item", "item"), UnknownPeerError),
        (sealed("item", "social", body=bytes(1000)), TooLargeError),
    ],
)
def test_a_message_that_cannot_be_accepted_changes_nothing(
    running: Running, message: bytes, error: type[PeerError]
) -> None:
    item = running.join("item")
    with pytest.raises(error):
        item.accept(message)

    assert running.join("item").welcome.arrived == 0


def test_a_refused_party_is_told_why_and_the_others_go_on(running: Running) -> None:
    item, social = running.join("item"), running.join("social")
    item.refuse(UnknownPeerError("not you"))

    with pytest.raises(UnknownPeerError, match="not you"):
        item.next()
    item.accept(sealed("item", "social", 1))
    running.coordinator().send(sealed("coordinator", "social"))
    assert frames(social, 1) == [sealed("coordinator", "social")]


def test_parties_are_absent_until_they_connect_and_after_they_break(running: Running) -> None:
    assert running.hub.absent().keys() == {"item", "social", "video"}
    time.sleep(0.02)
    assert all(0.02 <= seconds < 5 for seconds in running.hub.absent().values())

    item = running.join("item")
    assert running.hub.absent().keys() == {"social", "video"}
    assert item.lose()
    assert running.hub.absent()["item"] < running.hub.absent()["social"]


def test_a_party_that_has_left_is_not_absent_and_nothing_waits_for_it(running: Running) -> None:
    item, coordinator = running.join("item"), running.coordinator()
    coordinator.send(sealed("coordinator", "item"))
    item.accept(LEAVE)

    assert "item" not in running.hub.absent()
    assert in_time(item.next) is None
    for number in range(10):
        coordinator.send(sealed("coordinator", "item", number))
    with pytest.raises(SessionOverError, match="item has left this session"):
        running.join("item")


def test_whoever_waits_for_a_party_goes_on_when_it_leaves(running: Running) -> None:
    item, social = running.join("item"), running.join("social")
    for number in range(4):
        item.accept(sealed("item", "social", number))
    assert in_time(item.next) == acknowledgement(2)
    social.accept(LEAVE)

    assert in_time(item.next) == acknowledgement(4)


def test_draining_waits_until_all_is_acknowledged(running: Running) -> None:
    assert running.hub.drain(0.0)
    running.coordinator().send(sealed("coordinator", "item"))
    assert not running.hub.drain(0.01)
    item = running.join("item")
    frames(item, 1)
    threading.Timer(0.05, item.accept, [acknowledgement(1)]).start()

    assert in_time(lambda: running.hub.drain(5.0))


def test_draining_ends_with_the_session(running: Running) -> None:
    running.coordinator().send(sealed("coordinator", "item"))
    threading.Timer(0.05, running.hub.end, ["enough"]).start()

    assert not in_time(lambda: running.hub.drain(60.0))
    assert running.hub.drain(0.0)


def test_ending_a_session_wakes_everyone_with_the_reason(running: Running) -> None:
    coordinator, item = running.coordinator(), running.join("item")
    threading.Timer(0.05, running.hub.end, ["video is lost"]).start()

    with pytest.raises(SessionOverError, match=r"^video is lost$"):
        coordinator.receive(60.0)
    with pytest.raises(SessionOverError, match=r"^video is lost$"):
        item.next()
    for use in (lambda: coordinator.receive(1.0), lambda: coordinator.send(sealed(*NAMES[:2]))):
        with pytest.raises(PeerLostError, match=r"^video is lost$"):
            use()
    item.accept(sealed("item", "social"))
    assert not item.lose()
    assert running.hub.absent() == {}


def test_ending_no_session_does_nothing(running: Running) -> None:
    running.hub.end("first")
    running.hub.end("second")

    with pytest.raises(SessionOverError, match="no session is open: first"):
        running.coordinator()
    with pytest.raises(SessionOverError, match=r"item's session is over.*\(first\)"):
        running.join("item")


def test_a_newer_session_ends_the_older(running: Running) -> None:
    older, claim = running.coordinator(), running.claim("item")
    running.admission = admission("item", "social", "video")
    running.hub.admit(running.admission)

    with pytest.raises(SessionOverError, match="a newer session was opened"):
        older.receive(1.0)
    with pytest.raises(SessionOverError, match="item's session is over, a new order will come"):
        running.hub.enter("item", claim)
    running.join("item").accept(sealed("item", "coordinator"))
    assert running.coordinator().receive(1.0) == sealed("item", "coordinator")


def test_frames_of_an_older_session_do_not_reach_a_newer_one(running: Running) -> None:
    running.join("item").accept(sealed("item", "coordinator"))
    running.hub.admit(admission("item", "social", "video"))

    with pytest.raises(PeerLostError, match="nothing came"):
        running.coordinator().receive(0.01)


def test_nobody_can_join_before_a_session_is_open() -> None:
    hub = Hub(NAMES, Limits())
    claim = Running().claim("item")

    with pytest.raises(SessionOverError, match="none has been opened yet"):
        hub.enter("item", claim)
    with pytest.raises(SessionOverError, match="none has been opened yet"):
        hub.attach("coordinator")
    assert hub.absent() == {}


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"session": bytes(16)}, SessionOverError, "item's session is over, a new order"),
        ({"token": bytes(32)}, SessionOverError, "item has a token of another session"),
        ({"party": "video"}, UnknownPeerError, "key is item's and the party calls itself video"),
        ({"arrived": 5}, MalformedError, "5 frames cannot have arrived"),
    ],
)
def test_a_claim_that_is_not_the_partys_is_refused(
    running: Running, changes: dict[str, bytes | str | int], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        running.hub.enter("item", replace(running.claim("item"), **changes))  # type: ignore[arg-type]

    assert "item" in running.hub.absent()
    running.join("item").accept(sealed("item", "social"))


def test_another_partys_token_is_refused(running: Running) -> None:
    claim = replace(running.claim("item"), token=running.admission.tokens["social"])

    with pytest.raises(SessionOverError):
        running.hub.enter("item", claim)


def test_a_party_without_a_place_in_the_session_is_refused() -> None:
    running = Running()
    running.admission = admission("item", "social")
    running.hub.admit(running.admission)

    with pytest.raises(UnknownPeerError, match="video is on the roster but not in this session"):
        running.join("video")
    with pytest.raises(UnknownPeerError, match="coordinator is on the roster but not in"):
        running.join("coordinator")


def test_a_key_of_a_party_that_is_not_on_the_roster_is_refused(running: Running) -> None:
    with pytest.raises(UnknownPeerError, match="mallory is not on the hub's roster"):
        running.hub.enter("mallory", replace(running.claim("item"), party="mallory"))


def test_a_second_process_of_one_party_is_refused_and_the_first_goes_on(running: Running) -> None:
    first = running.join("item")
    running.instances["item"] = secrets.token_bytes(16)

    with pytest.raises(SecondProcessError, match="another process is in this session as item"):
        running.join("item")
    first.accept(sealed("item", "coordinator"))
    assert running.coordinator().receive(1.0) == sealed("item", "coordinator")

    first.lose()
    with pytest.raises(SecondProcessError, match="wait for the next order"):
        running.join("item")


@pytest.mark.parametrize("name", ["mallory", "item"])
def test_only_parties_of_this_process_are_attached(running: Running, name: str) -> None:
    with pytest.raises(UnknownPeerError, match=name):
        running.hub.attach(name)


@pytest.mark.parametrize(
    "wrong",
    [
        Admission(session=bytes(15), tokens={"item": bytes(32)}),
        Admission(session=bytes(16), tokens={"item": bytes(31)}),
        Admission(session=bytes(16), tokens={"mallory": bytes(32)}),
    ],
)
def test_a_session_that_cannot_be_is_not_opened(running: Running, wrong: Admission) -> None:
    with pytest.raises(SettingError):
        running.hub.admit(wrong)

    running.coordinator().send(sealed("coordinator", "item"))


def test_a_printed_admission_never_shows_a_token() -> None:
    shown = Admission(session=bytes(16), tokens={"item": b"secret!!" * 4})
    assert "secret" not in repr(shown)


def test_a_sender_is_told_who_takes_no_frames(running: Running) -> None:
    coordinator, _ = running.coordinator(), running.join("item")
    for name in ("item", "social"):
        for number in range(CONFIG.mailbox.frames):
            coordinator.send(sealed("coordinator", name, number))

    with pytest.raises(PeerLostError, match=r"^item takes no more frames$"):
        coordinator.send(sealed("coordinator", "item"))
    with pytest.raises(PeerLostError, match="social has had no connection to the hub for 0 s"):
        coordinator.send(sealed("coordinator", "social"))


def test_two_parties_in_process_wait_for_each_other() -> None:
    hub = Hub(NAMES, Limits(), CONFIG)
    hub.admit(admission())
    item, social = hub.attach("item"), hub.attach("social")
    for number in range(CONFIG.mailbox.frames):
        item.send(sealed("item", "social", number))

    with pytest.raises(PeerLostError, match="social takes no more frames"):
        item.send(sealed("item", "social"))
    threading.Timer(0.02, social.receive, [1.0]).start()
    item.send(sealed("item", "social"))


def test_a_refusal_is_logged_without_secrets_and_not_every_time(
    running: Running, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, logger="fedrecall.hub")
    for _ in range(3):
        running.hub.log_refusal("item", UnknownPeerError("not on the roster"))
    running.hub.log_refusal("item", SessionOverError("over"))
    assert caplog.messages == [
        "refused item: UnknownPeerError: not on the roster",
        "refused item: SessionOverError: over",
    ]

    monkeypatch.setattr(hub_module, "LOG_AGAIN_S", 0.0)
    running.hub.log_refusal("item", SessionOverError("over"))
    assert len(caplog.messages) == 3
