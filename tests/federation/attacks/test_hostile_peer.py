"""A party with a place on the roster that breaks the rules: it is refused and spoils nothing."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import msgpack
import pytest

from federation.crypto.sealing import Identity
from federation.errors import (
    MalformedError,
    OutOfTurnError,
    PeerError,
    PeerLostError,
    TamperedError,
    TooLargeError,
    UnknownPeerError,
)
from federation.exchange.link import Link
from federation.exchange.memory import MemoryHub
from federation.protocol.codec import encode_message
from federation.protocol.frames import EVERYONE, Frame, FrameKind
from federation.protocol.limits import Limits
from federation.protocol.messages import (
    Collected,
    Goodbye,
    Greeting,
    Holdings,
    ItemPoints,
    KeyConfirmation,
    StartAfresh,
    Stopped,
)
from tests.federation.attacks.wire import Puppet
from tests.federation.exchange.line import JOB, Line, identity_of

NAMES = ("item", "social", "mallory")
LIMITS = Limits(max_stashed_frames=8, max_stashed_bytes=10_000, max_frame_bytes=9_000)


@dataclass(frozen=True)
class Meeting:
    """Two honest parties and one that is not, all on one hub."""

    item: Link
    social: Link
    mallory: Puppet
    hub: MemoryHub


def meeting(*, joined: bool = True) -> Meeting:
    hub = MemoryHub(NAMES, LIMITS)
    line = Line(names=NAMES, limits=LIMITS)
    item, social = (
        Link(hub.attach(name), identity_of(name), line.config(name)) for name in NAMES[:2]
    )
    met = Meeting(
        item, social, Puppet("mallory", hub.attach("mallory"), identity_of("mallory")), hub
    )
    if joined:
        with ThreadPoolExecutor(3) as pool:
            greeting = [pool.submit(link.greet) for link in (item, social)]
            pool.submit(met.mallory.join, "item", "social").result()
            for each in greeting:
                each.result()
    return met


def goes_on(met: Meeting) -> None:
    """Both peers' right messages still go through."""
    met.mallory.say("item", Holdings(b"right", ()))
    met.social.post("item", Collected(3))

    assert met.item.receive("social", Collected) == Collected(3)
    assert met.item.receive("mallory", Holdings) == Holdings(b"right", ())


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", MalformedError),
        (b"\x00" * 100, MalformedError),
        (encode_message(Goodbye()) + b"x", MalformedError),
        (b"\x91" * 5000, MalformedError),
        (msgpack.packb([len("no such kind") * 100]), MalformedError),
        (msgpack.packb([1, b"", [1] * 5000]), TooLargeError),
        (msgpack.packb([21, "\x1b[2Jitem stopped: all is well"]), MalformedError),
        (encode_message(KeyConfirmation()), OutOfTurnError),
    ],
    ids=["empty", "noise", "trailing", "nested", "unknown", "crowded", "escapes", "confirmed"],
)
def test_an_authentic_frame_with_an_unacceptable_body_is_refused(
    body: bytes, error: type[PeerError]
) -> None:
    met = meeting()
    met.mallory.transport.send(met.mallory.sealed("item", body))

    with pytest.raises(error) as refusal:
        met.item.receive("mallory", Holdings)

    assert "\x1b" not in str(refusal.value)
    goes_on(met)


def test_a_message_out_of_turn_is_refused_and_the_due_one_still_comes() -> None:
    met = meeting()
    met.mallory.say("item", Goodbye())
    met.mallory.say("item", Greeting(JOB, bytes(32), bytes(32)))

    for kind in ("Goodbye", "Greeting"):
        with pytest.raises(OutOfTurnError, match=f"mallory sent {kind} where Holdings was due"):
            met.item.receive("mallory", Holdings)

    goes_on(met)


def test_a_refused_message_is_refused_for_whoever_waits_for_somebody_else_too() -> None:
    met = meeting()
    met.mallory.transport.send(met.mallory.sealed("item", b"noise"))
    met.social.post("item", Collected(1))

    with pytest.raises(MalformedError):
        met.item.receive("social", Collected)

    assert met.item.receive("social", Collected) == Collected(1)
    goes_on(met)


def flood(met: Meeting, *messages: Holdings | ItemPoints) -> None:
    """Messages that come while the item party waits for somebody else."""
    for message in messages:
        met.mallory.say("item", message)


def test_a_flood_of_messages_is_refused_beyond_the_limit() -> None:
    met = meeting()
    flood(met, *(Holdings(b"", (n,)) for n in range(12)))

    # The ninth has no room, and those behind it are not its successors any more.
    for _ in range(9, 13):
        with pytest.raises(PeerError):
            met.item.receive("social", Collected)
    met.social.post("item", Collected(1))
    assert met.item.receive("social", Collected) == Collected(1)

    for n in range(8):
        assert met.item.receive("mallory", Holdings).epochs == (n,)


def test_a_flood_of_bytes_is_refused_beyond_the_limit() -> None:
    met = meeting()
    flood(met, ItemPoints(bytes(6000)), ItemPoints(bytes(6000)))

    with pytest.raises(TooLargeError, match="mallory sends faster than its turn comes"):
        met.item.receive("social", Collected)

    assert met.item.receive("mallory", ItemPoints) == ItemPoints(bytes(6000))


def test_a_frame_that_had_no_room_goes_through_once_there_is_some() -> None:
    met = meeting()
    frames = [met.mallory.sealed("item", encode_message(Holdings(b"", (n,)))) for n in range(9)]
    for frame in frames:
        met.mallory.transport.send(frame)
    with pytest.raises(TooLargeError):
        met.item.receive("social", Collected)

    met.item.receive("mallory", Holdings)
    met.mallory.transport.send(frames[8])
    assert [met.item.receive("mallory", Holdings).epochs for _ in range(8)] == [
        (n,) for n in range(1, 9)
    ]
    goes_on(met)


def test_room_is_given_back_as_messages_are_taken() -> None:
    met = meeting()

    for _ in range(5):
        flood(met, ItemPoints(bytes(4000)), ItemPoints(bytes(5000)))
        met.social.post("item", Collected(1))
        assert met.item.receive("social", Collected) == Collected(1)
        for size in (4000, 5000):
            assert met.item.receive("mallory", ItemPoints) == ItemPoints(bytes(size))
    goes_on(met)


def test_one_large_message_alone_may_always_wait() -> None:
    met = meeting()
    flood(met, ItemPoints(bytes(8500)))
    met.social.post("item", Collected(1))

    assert met.item.receive("social", Collected) == Collected(1)
    assert len(met.item.receive("mallory", ItemPoints).points) == 8500


def test_a_peer_that_floods_one_waiting_party_is_not_heard_by_others() -> None:
    met = meeting()
    flood(met, *(Holdings(b"", (n,)) for n in range(9)))
    met.item.post("social", StartAfresh())

    assert met.social.receive("item", StartAfresh) == StartAfresh()


def test_a_party_that_stops_ends_the_wait_for_everyone() -> None:
    met = meeting()
    met.mallory.say("item", Stopped("I quit"))

    with pytest.raises(PeerLostError, match=r"^mallory stopped: I quit$"):
        met.item.receive("social", Collected)


# ---- before the keys are confirmed


def test_a_message_before_the_confirmation_is_refused() -> None:
    met = meeting(joined=False)

    def hurry() -> None:
        met.mallory.introduce("item", "social")
        met.mallory.say("item", Holdings(b"too early", ()))
        met.mallory.say("item", KeyConfirmation())
        met.mallory.say("social", KeyConfirmation())

    with ThreadPoolExecutor(2) as pool:
        others = [pool.submit(met.social.greet), pool.submit(hurry)]
        with pytest.raises(OutOfTurnError, match="mallory sent Holdings before confirming"):
            met.item.greet()
        met.item.greet()
        for each in others:
            each.result()
    goes_on(met)


# ---- names


@pytest.mark.parametrize(
    "frame",
    [
        Frame(FrameKind.SEALED, "social", "item", 0, bytes(40)),
        Frame(FrameKind.GREETING, "social", EVERYONE, 0, bytes(40)),
        Frame(FrameKind.SEALED, "stranger", "item", 0, bytes(40)),
        Frame(FrameKind.SEALED, "mallory", "stranger", 0, bytes(40)),
        Frame(FrameKind.SEALED, "mallory", "mallory", 0, bytes(40)),
    ],
    ids=["another's name", "another's greeting", "no one's name", "to no one", "to itself"],
)
def test_a_party_cannot_hand_in_frames_under_another_name_or_to_nobody(frame: Frame) -> None:
    met = meeting()

    with pytest.raises(UnknownPeerError):
        met.mallory.transport.send(frame.encode())

    goes_on(met)


def test_a_stranger_cannot_be_attached_to_the_hub() -> None:
    with pytest.raises(UnknownPeerError, match="stranger is not on the roster"):
        meeting(joined=False).hub.attach("stranger")


def test_a_party_with_another_key_than_the_rosters_cannot_take_its_name() -> None:
    config = Line(names=NAMES).config("item")
    transport = MemoryHub(NAMES, LIMITS).attach("item")

    with pytest.raises(UnknownPeerError):
        Link(transport, Identity.generate(), config)


def test_a_party_that_greets_under_anothers_name_has_not_its_keys() -> None:
    # The hub helps: it lets mallory sit on the partner's place.
    names = ("item", "social")
    hub = MemoryHub(names, LIMITS)
    item = Link(hub.attach("item"), identity_of("item"), Line(names=names).config("item"))
    forger = Puppet("social", hub.attach("social"), identity_of("mallory"))

    with ThreadPoolExecutor(1) as pool:
        joining = pool.submit(forger.join, "item")
        with pytest.raises(TamperedError):
            item.greet()
        joining.result()

    forger.say("item", Goodbye())
    with pytest.raises(PeerError):
        item.receive("social", Goodbye)
