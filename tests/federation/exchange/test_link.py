import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from federation.crypto.sealing import TAG_BYTES, Identity
from federation.errors import OutOfTurnError, PeerLostError, SettingError, UnknownPeerError
from federation.exchange import link
from federation.exchange.link import Link
from federation.exchange.memory import MemoryHub
from federation.protocol.codec import encode_message
from federation.protocol.frames import PREFIX
from federation.protocol.limits import Limits
from federation.protocol.messages import (
    Activations,
    Collected,
    Goodbye,
    Holdings,
    ItemPoints,
    ResumeFrom,
    StartAfresh,
    Stopped,
    SummingKey,
)
from tests.federation.exchange.line import AGREEMENT, JOB, NAMES, Line, greet_all, identity_of


@pytest.fixture
def links() -> dict[str, Link]:
    return Line().greeted()


def test_messages_arrive_as_they_were_posted(links: dict[str, Link]) -> None:
    links["item"].post("social", ItemPoints(b"points"))
    links["item"].post("social", StartAfresh())

    assert links["social"].receive("item", ItemPoints) == ItemPoints(b"points")
    assert links["social"].receive("item", StartAfresh) == StartAfresh()


def test_a_message_of_one_of_several_kinds_is_taken(links: dict[str, Link]) -> None:
    links["item"].post("social", ResumeFrom(3, finished=True))

    answer = links["social"].receive("item", StartAfresh, ResumeFrom)
    assert answer == ResumeFrom(3, finished=True)


def test_messages_of_another_sender_wait_for_their_turn(links: dict[str, Link]) -> None:
    links["social"].post("item", Holdings(b"social", ()))
    links["video"].post("item", Holdings(b"video", ()))

    assert links["item"].receive("video", Holdings).alignment == b"video"
    assert links["item"].receive("social", Holdings).alignment == b"social"


def test_messages_of_anyone_come_with_their_sender(links: dict[str, Link]) -> None:
    links["social"].post("coordinator", Collected(1))
    links["video"].post("coordinator", Collected(2))
    links["item"].post("social", Goodbye())

    heard = [links["coordinator"].receive_any() for _ in range(2)]
    assert sorted(heard, key=str) == [("social", Collected(1)), ("video", Collected(2))]
    assert links["social"].receive_any() == ("item", Goodbye())


def test_a_message_that_waited_is_taken_by_whoever_asks_for_any(links: dict[str, Link]) -> None:
    links["social"].post("item", Collected(1))
    links["video"].post("item", Collected(2))

    assert links["item"].receive("video", Collected) == Collected(2)
    assert links["item"].receive_any() == ("social", Collected(1))


def test_a_message_of_another_kind_is_dropped_and_the_due_one_still_comes(
    links: dict[str, Link],
) -> None:
    links["item"].post("social", ItemPoints(b"secret"))
    links["item"].post("social", StartAfresh())

    complaint = "item sent ItemPoints where ResumeFrom or StartAfresh was due"
    with pytest.raises(OutOfTurnError, match=complaint):
        links["social"].receive("item", ResumeFrom, StartAfresh)
    assert links["social"].receive("item", StartAfresh) == StartAfresh()


def test_two_parties_seed_the_same_masks_and_nobody_else_does(links: dict[str, Link]) -> None:
    shared = links["social"].mask_key("video")

    assert shared == links["video"].mask_key("social")
    assert len(shared) == 32
    assert shared not in {
        links["social"].mask_key("item"),
        links["social"].mask_key("coordinator"),
    }


def test_every_session_has_masks_of_its_own(links: dict[str, Link]) -> None:
    assert Line().greeted()["social"].mask_key("video") != links["social"].mask_key("video")


def test_greeting_again_after_all_have_greeted_changes_nothing(links: dict[str, Link]) -> None:
    before = links["social"].mask_key("video")
    greet_all(links)

    assert links["social"].mask_key("video") == before


def test_a_link_knows_its_name_and_its_run(links: dict[str, Link]) -> None:
    assert links["item"].name == "item"
    assert links["item"].job == JOB


def test_a_party_alone_on_the_roster_has_nobody_to_greet() -> None:
    alone = Line(names=("item",)).links()["item"]
    alone.greet()
    assert sum(alone.traffic.frames_by_stage().values()) == 0


def test_nothing_can_be_posted_before_greeting() -> None:
    with pytest.raises(UnknownPeerError, match="item has no keys with social"):
        Line().links()["item"].post("social", Goodbye())


@pytest.mark.parametrize("peer", ["mallory", "item"])
def test_there_are_no_keys_with_a_stranger_or_oneself(links: dict[str, Link], peer: str) -> None:
    for use in (
        lambda: links["item"].post(peer, Goodbye()),
        lambda: links["item"].receive(peer, Goodbye),
        lambda: links["item"].mask_key(peer),
    ):
        with pytest.raises(UnknownPeerError, match=f"no keys with {peer}"):
            use()


def test_a_key_that_is_not_on_the_roster_is_refused() -> None:
    line = Line()
    hub = MemoryHub(NAMES, Limits())

    with pytest.raises(UnknownPeerError, match="another key for item"):
        Link(hub.attach("item"), Identity.generate(), line.config("item"))


def test_a_name_that_is_not_on_the_roster_is_refused() -> None:
    line = Line(rosters={"item": {"social": identity_of("social").public}})
    hub = MemoryHub(NAMES, Limits())

    with pytest.raises(UnknownPeerError):
        Link(hub.attach("item"), identity_of("item"), line.config("item"))


def test_a_message_beyond_the_frame_limit_is_not_sent() -> None:
    limits = Limits(max_frame_bytes=1000)
    links = Line(limits=limits).greeted()
    room = 1000 - PREFIX.size - len("itemsocial") - TAG_BYTES
    largest = ItemPoints(bytes(room - len(encode_message(ItemPoints(bytes(500)))) + 500))
    assert len(encode_message(largest)) == room

    with pytest.raises(SettingError, match=r"of 1001 bytes .* raise exchange\.max_frame_mib"):
        links["item"].post("social", ItemPoints(largest.points + b"x"))

    links["item"].post("social", largest)
    assert links["social"].receive("item", ItemPoints) == largest


def test_a_silent_peer_is_given_up() -> None:
    links = Line(timeout_s=0.01).links()

    with pytest.raises(PeerLostError, match="item waited for coordinator, social, video: nothing"):
        links["item"].greet()


def test_a_silent_peer_is_named_to_those_who_are_told_of_it() -> None:
    links = Line(timeout_s=1.0).greeted()
    with pytest.raises(PeerLostError, match=r"^item waited for video: nothing came") as lost:
        links["item"].receive("video", SummingKey)
    links["item"].stop(str(lost.value))

    with pytest.raises(PeerLostError, match="item stopped: item waited for video"):
        links["social"].receive("item", SummingKey)


def test_a_party_that_stops_says_why_to_everyone() -> None:
    links = Line().greeted()
    links["item"].stop("DataError")

    for name in ("coordinator", "social", "video"):
        with pytest.raises(PeerLostError, match=r"^item stopped: DataError$"):
            links[name].receive("item", SummingKey)


def test_a_reason_is_made_short_and_printable() -> None:
    links = Line().greeted()
    links["item"].stop("a line\nanother\x1b[31m\udcff" + "x" * 5000)

    with pytest.raises(PeerLostError) as lost:
        links["social"].receive_any()
    assert str(lost.value) == "item stopped: a line another [31m " + "x" * 180


def test_stopping_goes_on_when_the_others_are_gone() -> None:
    hub = MemoryHub(NAMES, Limits())
    links = Line().links(hub)
    greet_all(links)
    hub.close()

    before = links["item"].traffic.frames_by_stage()
    links["item"].stop("enough")
    assert links["item"].traffic.frames_by_stage() == before


def test_a_party_that_stops_while_greeting_does_not_wait_long_for_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(link, "STOP_GRACE_S", 0.1)
    links = Line(timeout_s=0.01).links()
    with pytest.raises(PeerLostError):
        links["item"].greet()

    began = time.monotonic()
    links["item"].stop("enough")
    assert time.monotonic() - began < 2.0


def test_parties_that_stop_while_greeting_tell_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "STOP_GRACE_S", 0.1)
    links = Line(names=("item", "social"), timeout_s=0.01).links()
    for each in links.values():
        with pytest.raises(PeerLostError):
            each.greet()

    # The first to stop takes the other's greeting; the second hears of it, and stops no less.
    links["item"].stop("first")
    links["social"].stop("second")
    with pytest.raises(PeerLostError, match="social stopped: second"):
        links["item"].receive("social", Goodbye)


def test_a_closed_link_moves_nothing() -> None:
    links = Line().greeted()
    links["item"].close()

    with pytest.raises(PeerLostError):
        links["item"].post("social", Goodbye())


def test_what_left_a_party_is_counted_by_stage(links: dict[str, Link]) -> None:
    sent = links["video"].traffic
    before, frames = sent.bytes_by_stage(), sent.frames_by_stage()
    message = Activations(0, 1, (b"part",))
    links["video"].post("coordinator", message)

    header = PREFIX.size + len("video" + "coordinator")
    size = header + len(encode_message(message)) + TAG_BYTES
    assert sent.bytes_by_stage()["forward"] - before["forward"] == size
    assert sent.frames_by_stage()["forward"] - frames["forward"] == 1


def test_greeting_is_counted_too() -> None:
    links = Line().greeted()

    # One greeting, and one confirmation to each of the three others.
    assert links["item"].traffic.frames_by_stage()["control"] == 1 + 3
    assert links["item"].traffic.bytes_by_stage()["control"] > len(JOB + AGREEMENT) + 32


def test_a_stopped_message_is_never_handed_on() -> None:
    links = Line().greeted()
    links["social"].post("coordinator", Stopped("full"))

    with pytest.raises(PeerLostError, match="social stopped: full"):
        links["coordinator"].receive_any()


def meet_social(link: Link) -> None:
    """Greet; whoever has its keys by then hears at the first message that it stopped."""
    link.greet()
    link.receive("social", Goodbye)


def test_a_party_that_fails_before_it_greets_tells_those_who_greet() -> None:
    links = Line(timeout_s=10.0).links()
    failing = links.pop("social")
    with ThreadPoolExecutor(len(links) + 1) as pool:
        greeting = {name: pool.submit(meet_social, link) for name, link in links.items()}
        pool.submit(failing.stop, "FeatureError").result()
        errors = [future.exception() for future in greeting.values()]

    for error in errors:
        assert isinstance(error, PeerLostError)
        assert "social stopped: FeatureError" in str(error)


def test_a_party_that_fails_alone_on_a_dead_line_just_stops() -> None:
    line = Line()
    hub = MemoryHub(line.names, line.limits)
    link = line.links(hub)["social"]
    hub.close()
    began = time.monotonic()
    link.stop("FeatureError")

    assert time.monotonic() - began < 1.0
