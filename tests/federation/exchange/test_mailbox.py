from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from federation.exchange.mailbox import Mailbox
from federation.exchange.quota import Quota

SENDERS = ("coordinator", "item", "social")


def test_senders_are_served_in_turn() -> None:
    box = Mailbox(Quota())
    for number in range(5):
        box.put("item", b"item%d" % number)
    box.put("social", b"social0")
    box.put("social", b"social1")

    order = [taken[1] for _ in range(7) if (taken := box.take())]
    assert order == [b"item0", b"social0", b"item1", b"social1", b"item2", b"item3", b"item4"]
    assert box.take() is None


def test_a_full_lane_leaves_room_in_the_others() -> None:
    box = Mailbox(Quota(frames=2, bytes=10))
    box.put("item", b"12345")
    assert box.has_room("item", 5)
    assert not box.has_room("item", 6)
    box.put("item", b"1")

    assert not box.has_room("item", 0)
    assert box.has_room("social", 10)


def test_taking_a_frame_makes_room_for_its_sender() -> None:
    box = Mailbox(Quota(frames=1))
    box.put("item", b"1")
    assert not box.has_room("item", 1)

    assert box.take() == ("item", b"1")
    assert box.has_room("item", 1)


def test_a_frame_of_any_size_fits_into_an_empty_lane() -> None:
    box = Mailbox(Quota(bytes=10))
    assert box.has_room("item", 1000)
    box.put("item", bytes(1000))
    assert box.take() is not None
    assert box.has_room("item", 1000)


def test_the_size_of_the_next_frame_is_known_before_it_is_taken() -> None:
    box = Mailbox(Quota())
    assert box.next_size() is None
    box.put("item", b"12")
    box.put("social", b"345")

    sizes = []
    while (size := box.next_size()) is not None:
        sizes.append(size)
        box.take()
    assert sizes == [2, 3]


def test_a_cleared_mailbox_is_as_new() -> None:
    box = Mailbox(Quota(frames=1))
    box.put("item", b"1")
    box.clear()

    assert (len(box), box.take(), box.has_room("item", 1)) == (0, None, True)


@given(st.lists(st.tuples(st.sampled_from(SENDERS), st.binary(max_size=4))))
def test_nothing_is_lost_and_each_sender_keeps_its_order(puts: list[tuple[str, bytes]]) -> None:
    box = Mailbox(Quota(frames=1000))
    for sender, frame in puts:
        box.put(sender, frame)
    assert len(box) == len(puts)

    taken = [box.take() for _ in puts]
    for sender in SENDERS:
        assert [f for f in taken if f and f[0] == sender] == [f for f in puts if f[0] == sender]
    # While two senders have frames, neither is served twice in a row.
    runs = [len(list(run)) for _, run in groupby(taken, key=lambda f: f and f[0])]
    assert all(length == 1 for length in runs[:-1])
