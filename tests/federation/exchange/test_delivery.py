from collections import deque

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from federation.errors import MalformedError, TooLargeError
from federation.exchange.delivery import (
    ACK_BYTES,
    ACK_DELAY_S,
    ACK_FRAMES,
    ACKNOWLEDGEMENT,
    MAGIC,
    Arrivals,
    Departures,
    decode_acknowledgement,
    is_acknowledgement,
)
from federation.exchange.quota import Quota

WINDOW = Quota(frames=5, bytes=20)


class Delivery(RuleBasedStateMachine):
    """Frames one way, acknowledgements the other, over connections that break at any point."""

    def __init__(self) -> None:
        super().__init__()
        self.departures, self.arrivals = Departures(WINDOW), Arrivals(WINDOW)
        self.wire: deque[bytes] = deque()
        self.wire_back: deque[bytes] = deque()
        self.waiting: deque[bytes] = deque()
        self.given: list[bytes] = []
        self.taken: list[bytes] = []
        self.now = 0.0

    @rule(size=st.integers(0, 30))
    def give(self, size: int) -> None:
        frame = bytes([len(self.given) % 256]) * size
        if self.departures.has_room(size):
            self.departures.add(frame)
            self.given.append(frame)

    @rule()
    def send(self) -> None:
        frame = self.departures.next()
        if frame is not None:
            self.wire.append(frame)

    @precondition(lambda self: self.wire)
    @rule()
    def arrive(self) -> None:
        frame = self.wire.popleft()
        self.arrivals.arrive(len(frame))
        self.waiting.append(frame)

    @precondition(lambda self: self.waiting)
    @rule()
    def take(self) -> None:
        frame = self.waiting.popleft()
        self.arrivals.take(len(frame), self.now)
        self.taken.append(frame)

    @rule(seconds=st.sampled_from([0.0, ACK_DELAY_S / 2, ACK_DELAY_S]))
    def acknowledge(self, seconds: float) -> None:
        self.now += seconds
        message = self.arrivals.acknowledgement(self.now)
        if message is not None:
            self.wire_back.append(message)

    @precondition(lambda self: self.wire_back)
    @rule()
    def hear(self) -> None:
        self.departures.acknowledge(decode_acknowledgement(self.wire_back.popleft()))

    @rule()
    def break_and_redial(self) -> None:
        self.wire.clear()
        self.wire_back.clear()
        self.departures.resume(self.arrivals.count)
        self.arrivals.restart(self.now)

    @invariant()
    def nothing_came_twice_or_out_of_order(self) -> None:
        come = [*self.taken, *self.waiting]
        assert come == self.given[: len(come)]

    @invariant()
    def what_is_kept_stays_within_the_window(self) -> None:
        kept = self.given[len(self.given) - len(self.departures) :]
        assert len(kept) <= WINDOW.frames
        assert len(kept) <= 1 or sum(map(len, kept)) <= WINDOW.bytes

    def teardown(self) -> None:
        for _ in range(WINDOW.frames):
            self.send()
        for step, queue in ((self.arrive, self.wire), (self.take, self.waiting)):
            while queue:
                step()
        self.acknowledge(ACK_DELAY_S)
        while self.wire_back:
            self.hear()
        assert self.taken == self.given
        assert len(self.departures) == 0


TestDelivery = Delivery.TestCase
TestDelivery.settings = settings(max_examples=60, stateful_step_count=40)


def acknowledged(frames: int, size: int = 1) -> Arrivals:
    arrivals = Arrivals()
    for _ in range(frames):
        arrivals.arrive(size)
        arrivals.take(size, 0.0)
    return arrivals


def test_one_acknowledgement_stands_for_many_small_frames() -> None:
    arrivals = acknowledged(3)

    assert arrivals.acknowledgement(ACK_DELAY_S / 2) is None
    message = arrivals.acknowledgement(ACK_DELAY_S)
    assert message is not None
    assert is_acknowledgement(message)
    assert decode_acknowledgement(message) == 3
    assert arrivals.acknowledgement(100.0) is None


@pytest.mark.parametrize(("frames", "size"), [(ACK_FRAMES, 1), (1, ACK_BYTES)])
def test_many_frames_or_bytes_are_acknowledged_at_once(frames: int, size: int) -> None:
    assert acknowledged(frames - 1, size).acknowledgement(0.0) is None
    assert acknowledged(frames, size).acknowledgement(0.0) is not None


def test_nothing_is_due_before_anything_was_taken() -> None:
    arrivals = Arrivals()
    arrivals.arrive(5)
    arrivals.restart(0.0)

    assert arrivals.due is None
    assert arrivals.acknowledgement(100.0) is None


@pytest.mark.parametrize("size", [0, 9, 11, 100])
def test_an_acknowledgement_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(MalformedError, match=f"of {size + 2} bytes" if size else "of 2 bytes"):
        decode_acknowledgement(MAGIC + bytes(size))


def sent(frames: int, acknowledged_frames: int = 0) -> Departures:
    departures = Departures()
    for number in range(frames):
        departures.add(bytes([number]))
        departures.next()
    departures.acknowledge(acknowledged_frames)
    return departures


@pytest.mark.parametrize("count", [0, 1, 4, 1 << 63])
def test_an_acknowledgement_of_what_was_not_sent_or_is_forgotten_is_refused(count: int) -> None:
    departures = sent(3, 2)

    with pytest.raises(MalformedError, match=f"{count} frames are acknowledged, not 2 to 3"):
        departures.acknowledge(count)
    assert len(departures) == 1
    assert departures.oldest == b"\x02"


def test_a_frame_that_was_not_sent_yet_cannot_be_acknowledged() -> None:
    departures = Departures()
    departures.add(b"waits")

    with pytest.raises(MalformedError):
        departures.acknowledge(1)


@pytest.mark.parametrize("arrived", [0, 1, 4])
def test_a_peer_that_says_it_has_what_it_cannot_have_is_refused(arrived: int) -> None:
    with pytest.raises(MalformedError, match=f"{arrived} frames cannot have arrived"):
        sent(3, 2).resume(arrived)


def test_only_what_has_not_arrived_is_sent_again() -> None:
    departures = sent(4, 1)
    departures.resume(2)

    assert [departures.next(), departures.next(), departures.next()] == [b"\x02", b"\x03", None]


def test_a_peer_that_sends_beyond_the_window_is_refused() -> None:
    arrivals = Arrivals(Quota(frames=2, bytes=100))
    arrivals.arrive(1000)
    with pytest.raises(TooLargeError, match="2 frames were sent without waiting"):
        arrivals.arrive(1)
    arrivals.take(1000, 0.0)
    arrivals.arrive(1)
    arrivals.arrive(1)

    with pytest.raises(TooLargeError, match="3 frames were sent without waiting"):
        arrivals.arrive(1)
    assert arrivals.count == 3


def test_the_oldest_frame_is_known_until_it_is_acknowledged() -> None:
    departures = sent(2)
    assert departures.oldest == b"\x00"
    departures.acknowledge(1)

    assert departures.oldest == b"\x01"


def test_an_acknowledgement_is_small() -> None:
    assert ACKNOWLEDGEMENT.size == 10
