"""A hub that tampers with what it carries: each attempt is refused and changes nothing."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest

from federation.errors import (
    MalformedError,
    OutOfTurnError,
    PeerError,
    PeerLostError,
    ReplayedError,
    TamperedError,
    TooLargeError,
    UnknownPeerError,
)
from federation.exchange.link import Link
from federation.protocol.codec import encode_message
from federation.protocol.frames import Frame, FrameKind, decode_frame
from federation.protocol.limits import Limits
from federation.protocol.messages import Collected, Holdings, ItemPoints, Message
from tests.federation.attacks.wire import LIMITS, Scene, Tamper, greeting_in, scene
from tests.federation.crypto.test_sealing import LOW_ORDER
from tests.federation.exchange.line import JOB, Line, greet_all, greet_each

SMALL = Limits(max_frame_bytes=2000)
RIGHT = Holdings(b"the right one", (1, 2))
Attack = Callable[[bytes], bytes]


@pytest.fixture(scope="module")
def joined() -> Scene:
    made = scene(Line(limits=SMALL))
    greet_all(made.links)
    return made


def refuse(met: Scene, error: type[PeerError] | tuple[type[PeerError], ...], *bad: bytes) -> None:
    """Each frame is refused by the item party with that error."""
    for frame in bad:
        met.hubs["item"].give(frame)
        with pytest.raises(error):
            met.links["item"].receive("social", Holdings)


def goes_through(met: Scene, frame: bytes, message: Message = RIGHT) -> None:
    """The frame is taken by the item party, and so is the next one."""
    met.hubs["item"].give(frame)
    assert met.links["item"].receive("social", type(message)) == message
    met.links["social"].post("item", Collected(1))
    assert met.links["item"].receive("social", Collected) == Collected(1)


def changed(frame: bytes, **parts: object) -> bytes:
    return replace(decode_frame(frame, LIMITS), **parts).encode()  # type: ignore[arg-type]


def flipped(frame: bytes, begin: int, end: int) -> Iterator[bytes]:
    """The frame with each bit from byte `begin` to byte `end` flipped."""
    for bit in range(8 * begin, 8 * end):
        bad = bytearray(frame)
        bad[bit // 8] ^= 1 << bit % 8
        yield bytes(bad)


@pytest.mark.parametrize(
    ("region", "error"),
    [
        ((0, 2), MalformedError),  # magic
        ((2, 3), MalformedError),  # version
        ((3, 4), MalformedError),  # kind
        ((4, 6), (MalformedError, UnknownPeerError)),  # lengths of the names
        ((6, 14), ReplayedError),  # counter
        ((14, 20), (MalformedError, UnknownPeerError)),  # sender
        ((20, 24), (MalformedError, UnknownPeerError)),  # recipient
        ((24, -16), TamperedError),  # body
        ((-16, 0), TamperedError),  # tag
    ],
    ids=["magic", "version", "kind", "lengths", "counter", "sender", "to", "body", "tag"],
)
def test_a_flipped_bit_is_refused(
    joined: Scene,
    region: tuple[int, int],
    error: type[PeerError] | tuple[type[PeerError], ...],
) -> None:
    frame = joined.on_the_way("social", "item", RIGHT)
    begin, end = (at + len(frame) if at < 0 else at for at in region)

    refuse(joined, error, *flipped(frame, begin, end or len(frame)))

    goes_through(joined, frame)


def test_a_truncated_frame_is_refused(joined: Scene) -> None:
    frame = joined.on_the_way("social", "item", RIGHT)

    refuse(joined, MalformedError, *(frame[:end] for end in range(24)))
    refuse(joined, TamperedError, *(frame[:end] for end in range(24, len(frame))))

    goes_through(joined, frame)


def test_an_extended_frame_is_refused(joined: Scene) -> None:
    frame = joined.on_the_way("social", "item", RIGHT)

    refuse(joined, TamperedError, frame + b"\x00", frame + frame)
    refuse(joined, TooLargeError, frame + bytes(2000))

    goes_through(joined, frame)


def test_a_replayed_frame_is_refused(joined: Scene) -> None:
    first = joined.on_the_way("social", "item", RIGHT)
    second = joined.on_the_way("social", "item", RIGHT)
    joined.hubs["item"].give(first)
    assert joined.links["item"].receive("social", Holdings) == RIGHT

    counter = decode_frame(second, LIMITS).counter
    refuse(joined, ReplayedError, first, first)
    refuse(joined, TamperedError, changed(first, counter=counter))

    goes_through(joined, second)


def test_a_reordered_frame_is_refused_until_its_turn(joined: Scene) -> None:
    first, second, third = (
        joined.on_the_way("social", "item", Holdings(b"", (n,))) for n in range(3)
    )

    refuse(joined, ReplayedError, third, second)
    joined.hubs["item"].give(first)
    assert joined.links["item"].receive("social", Holdings).epochs == (0,)
    refuse(joined, ReplayedError, third, first)
    joined.hubs["item"].give(second)
    assert joined.links["item"].receive("social", Holdings).epochs == (1,)

    goes_through(joined, third, Holdings(b"", (2,)))


def test_a_dropped_frame_is_missed_at_the_next_one(joined: Scene) -> None:
    dropped = joined.on_the_way("social", "item", RIGHT)
    following = joined.on_the_way("social", "item", Collected(7))

    refuse(joined, ReplayedError, following)

    joined.hubs["item"].give(dropped)
    assert joined.links["item"].receive("social", Holdings) == RIGHT
    joined.hubs["item"].give(following)
    assert joined.links["item"].receive("social", Collected) == Collected(7)


def test_a_last_frame_that_is_dropped_ends_in_a_lost_peer() -> None:
    met = scene(Line(timeout_s=0.3))
    greet_all(met.links)
    frame = met.on_the_way("social", "item", RIGHT)

    with pytest.raises(PeerLostError):
        met.links["item"].receive("social", Holdings)

    goes_through(met, frame)


def test_a_frame_sent_back_to_its_sender_is_refused(joined: Scene) -> None:
    frame = joined.on_the_way("item", "social", RIGHT)
    expected = decode_frame(joined.on_the_way("social", "item", RIGHT), LIMITS)

    refuse(joined, UnknownPeerError, frame)
    posing = changed(frame, sender="social", recipient="item", counter=expected.counter)
    refuse(joined, TamperedError, posing)

    goes_through(joined, expected.encode())


def test_a_frame_for_someone_else_is_refused(joined: Scene) -> None:
    expected = joined.on_the_way("social", "item", RIGHT)
    counter = decode_frame(expected, LIMITS).counter
    frame = joined.on_the_way("social", "video", RIGHT)

    refuse(joined, UnknownPeerError, frame)
    refuse(joined, TamperedError, changed(frame, recipient="item", counter=counter))

    goes_through(joined, expected)


def test_a_frame_under_another_partys_name_is_refused(joined: Scene) -> None:
    expected = joined.on_the_way("social", "item", RIGHT)
    counter = decode_frame(expected, LIMITS).counter
    frame = joined.on_the_way("video", "item", RIGHT)

    refuse(joined, TamperedError, changed(frame, sender="social", counter=counter))
    refuse(joined, UnknownPeerError, changed(frame, sender="mallory"))

    goes_through(joined, expected)
    joined.hubs["item"].give(frame)
    assert joined.links["item"].receive("video", Holdings) == RIGHT


def test_a_frame_of_an_earlier_session_is_refused() -> None:
    # The same parties, the same run: only the keys of the session differ.
    earlier, later = scene(), scene()
    greet_all(earlier.links)
    greet_all(later.links)
    old = earlier.on_the_way("social", "item", RIGHT)
    new = later.on_the_way("social", "item", RIGHT)
    assert decode_frame(old, LIMITS).counter == decode_frame(new, LIMITS).counter

    for frame in [*earlier.hubs["item"].seen, old]:
        refuse(later, (TamperedError, ReplayedError, OutOfTurnError), frame)

    goes_through(later, new)


def test_a_greeting_after_all_have_greeted_is_refused(joined: Scene) -> None:
    greetings = [
        frame
        for frame in joined.hubs["item"].seen
        if decode_frame(frame, LIMITS).kind is FrameKind.GREETING
    ]
    assert len(greetings) == 3

    refuse(joined, OutOfTurnError, *greetings)

    goes_through(joined, joined.on_the_way("social", "item", RIGHT))


@pytest.mark.parametrize("count", [1, 300])
def test_a_flood_of_forged_frames_is_refused_one_by_one(joined: Scene, count: int) -> None:
    expected = joined.on_the_way("social", "item", RIGHT)

    refuse(joined, TamperedError, *(changed(expected, body=bytes(500)) for _ in range(count)))

    goes_through(joined, expected)


# ---- before all have greeted


def is_greeting(frame: bytes, sender: str) -> bool:
    read = decode_frame(frame, LIMITS)
    return read.kind is FrameKind.GREETING and read.sender == sender


def before_greeting(*bad: Attack) -> Tamper:
    """A hub that sends changed copies of the partner's greeting first, then the right one."""

    def tamper(frame: bytes) -> Iterable[bytes]:
        if is_greeting(frame, "social"):
            yield from (attack(frame) for attack in bad)
        yield frame

    return tamper


def with_greeting(**parts: bytes) -> Attack:
    def attack(frame: bytes) -> bytes:
        return changed(frame, body=encode_message(replace(greeting_in(frame), **parts)))

    return attack


def with_body(body: bytes) -> Attack:
    return lambda frame: changed(frame, body=body)


def greet_and_wait(link: Link) -> None:
    link.greet()
    link.receive_any()


@contextmanager
def others_greeting(met: Scene, *, lost: bool = False) -> Iterator[None]:
    """While the item party greets, so do all others.

    In the end all have greeted, or, if it is `lost`, have heard that it stopped.
    """

    def greet(link: Link) -> None:
        if not lost:
            return link.greet()
        with pytest.raises(PeerLostError, match="item stopped: OutOfTurnError"):
            greet_and_wait(link)

    with ThreadPoolExecutor(len(met.links)) as pool:
        greeting = [pool.submit(greet, link) for name, link in met.links.items() if name != "item"]
        yield
        for each in greeting:
            each.result()


def greets_after(met: Scene, errors: Iterable[type[PeerError]]) -> None:
    """The item party refuses once for each error, and in the end has greeted with everyone."""
    with others_greeting(met):
        for error in errors:
            with pytest.raises(error):
                met.links["item"].greet()
        met.links["item"].greet()
    goes_through(met, met.on_the_way("social", "item", RIGHT))


@pytest.mark.parametrize(
    ("attack", "error"),
    [
        (with_greeting(job=b"another job....."), OutOfTurnError),
        (with_greeting(job=b""), OutOfTurnError),
        (with_greeting(agreement=bytes(32)), OutOfTurnError),
        (with_greeting(agreement=b"short"), OutOfTurnError),
        (with_greeting(ephemeral=b""), MalformedError),
        (with_greeting(ephemeral=bytes(31)), MalformedError),
        (with_greeting(ephemeral=bytes(33)), MalformedError),
        *((with_greeting(ephemeral=point), MalformedError) for point in LOW_ORDER),
        (with_body(b""), MalformedError),
        (with_body(b"\x94\x00"), MalformedError),
        (with_body(bytes(1000)), MalformedError),
        (with_body(bytes(1025)), TooLargeError),
        (with_body(encode_message(ItemPoints(b"points"))), MalformedError),
        (lambda frame: changed(frame, sender="mallory"), UnknownPeerError),
        (lambda frame: changed(frame, sender="item"), UnknownPeerError),
        (lambda frame: changed(frame, counter=1), MalformedError),
        (lambda frame: changed(frame, recipient="item"), MalformedError),
        (lambda frame: changed(frame, kind=FrameKind.SEALED, recipient="item"), OutOfTurnError),
        (lambda frame: frame[:20], MalformedError),
    ],
)
def test_a_spoilt_greeting_is_refused_and_the_right_one_goes_through(
    attack: Attack, error: type[PeerError]
) -> None:
    greets_after(scene(tamper={"item": before_greeting(attack)}), [error])


def test_a_greeting_that_comes_twice_is_refused() -> None:
    greets_after(scene(tamper={"item": before_greeting(lambda frame: frame)}), [OutOfTurnError])


def test_a_flood_before_the_greetings_is_refused_and_not_kept() -> None:
    forged = Frame(FrameKind.SEALED, "social", "item", 0, bytes(1000)).encode()
    flood = [lambda _: forged] * 200

    greets_after(scene(tamper={"item": before_greeting(*flood)}), [OutOfTurnError] * 200)


def test_a_sealed_frame_that_overtook_its_greeting_is_refused() -> None:
    held: list[bytes] = []

    def tamper(frame: bytes) -> Iterable[bytes]:
        """The partner's greeting after its first sealed frame, which then comes once more."""
        read = decode_frame(frame, LIMITS)
        if read.sender != "social":
            yield frame
        elif read.kind is FrameKind.GREETING:
            held.append(frame)
        elif held:
            yield from (frame, held.pop(), frame)
        else:
            yield frame

    greets_after(scene(tamper={"item": tamper}), [OutOfTurnError])


def test_a_forged_confirmation_is_refused_and_the_right_one_goes_through() -> None:
    def tamper(frame: bytes) -> Iterable[bytes]:
        read = decode_frame(frame, LIMITS)
        if (read.kind, read.sender, read.counter) == (FrameKind.SEALED, "social", 0):
            yield changed(frame, body=bytes(len(read.body)))
        yield frame

    greets_after(scene(tamper={"item": tamper}), [TamperedError])


def swapped(sender: str) -> Tamper:
    """A hub that puts a session key of its own into one party's greeting."""
    other = scene()
    greet_all(other.links)
    spoilt = greeting_in(other.hubs["item"].sent[0])

    def tamper(frame: bytes) -> Iterable[bytes]:
        attack = with_greeting(ephemeral=spoilt.ephemeral)
        yield attack(frame) if is_greeting(frame, sender) else frame

    return tamper


@pytest.mark.parametrize(
    ("sender", "recipient"),
    [("social", "item"), ("item", "social"), ("social", "video"), ("coordinator", "video")],
)
def test_a_swapped_session_key_is_noticed_by_both_ends_before_anything_is_sent(
    sender: str, recipient: str
) -> None:
    # Two partners only share the seed of their masks. Had they different ones, the masks would not
    # cancel and sums would be noise, so they must notice as well.
    met = scene(Line(timeout_s=1.0), tamper={recipient: swapped(sender)})

    errors = greet_each(met.links)

    assert isinstance(errors[sender], TamperedError)
    assert isinstance(errors[recipient], TamperedError)
    for name in (sender, recipient):
        frames = met.links[name].traffic.frames_by_stage()
        assert frames["control"] <= 1 + 3  # its greeting and confirmations, nothing else


def test_a_swapped_agreement_does_not_join_parties_of_different_settings() -> None:
    agreements = {"item": bytes(32), "social": bytes(31) + b"\x01"}
    met = scene(Line(names=("item", "social"), timeout_s=1.0, agreement=agreements))

    def pleasing(name: str) -> Tamper:
        """A hub that shows a party its own settings in everyone's greeting."""

        def tamper(frame: bytes) -> Iterable[bytes]:
            own = greeting_in(met.hubs[name].sent[0])
            greeting = decode_frame(frame, LIMITS).kind is FrameKind.GREETING
            yield with_greeting(agreement=own.agreement)(frame) if greeting else frame

        return tamper

    for name, hub in met.hubs.items():
        hub.tamper = pleasing(name)
    errors = greet_each(met.links)

    assert all(isinstance(error, TamperedError) for error in errors.values())


def test_a_party_that_stops_over_a_spoilt_greeting_tells_everyone() -> None:
    attack = with_greeting(agreement=bytes(32))
    met = scene(tamper={"item": before_greeting(attack)})

    with others_greeting(met, lost=True):
        with pytest.raises(OutOfTurnError):
            met.links["item"].greet()
        met.links["item"].stop("OutOfTurnError")


def test_greetings_of_an_earlier_session_join_nobody() -> None:
    earlier = scene()
    greet_all(earlier.links)
    old = earlier.hubs["item"].seen

    def tamper(frame: bytes) -> Iterable[bytes]:
        """Of one partner, nothing but what it said in the earlier session."""
        if decode_frame(frame, LIMITS).sender != "social":
            return [frame]
        if not is_greeting(frame, "social"):
            return []
        return [each for each in old if decode_frame(each, LIMITS).sender == "social"]

    met = scene(Line(timeout_s=1.0), tamper={"item": tamper})
    errors = greet_each(met.links)

    assert isinstance(errors["item"], TamperedError)
    assert isinstance(errors["social"], TamperedError)
    greet_all(scene().links)  # a new session, with keys of its own, goes through


def test_a_run_of_another_job_joins_nobody() -> None:
    met = scene(Line(timeout_s=0.3, job={"social": JOB[::-1]}))
    errors = greet_each(met.links)

    assert all(isinstance(error, OutOfTurnError) for error in errors.values())
    assert "social runs another job" in str(errors["item"])


def test_a_party_with_other_settings_joins_nobody() -> None:
    errors = greet_each(scene(Line(timeout_s=0.3, agreement={"social": bytes(32)})).links)

    assert all(isinstance(error, OutOfTurnError) for error in errors.values())
    assert "other settings or another roster" in str(errors["video"])


def test_a_party_that_was_shown_another_roster_joins_nobody() -> None:
    # A coordinator that hands out the roster could put its own key in a partner's place.
    roster = dict(Line().config("item").roster)
    roster["video"] = Line(names=("mallory",)).config("mallory").roster["mallory"]
    errors = greet_each(scene(Line(timeout_s=0.3, rosters={"social": roster})).links)

    assert "other settings or another roster" in str(errors["item"])
    assert all(isinstance(error, OutOfTurnError) for error in errors.values())
