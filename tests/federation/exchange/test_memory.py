import threading

import pytest

from federation.errors import PeerLostError, UnknownPeerError
from federation.exchange.memory import MemoryHub
from federation.exchange.quota import FULL
from federation.protocol.frames import Frame, FrameKind
from federation.protocol.limits import Limits

FRAME = Frame(FrameKind.SEALED, "item", "social", 0, b"").encode()


def hub() -> MemoryHub:
    return MemoryHub(("item", "social"), Limits())


def test_a_flooding_party_blocks_only_itself() -> None:
    names = ("item", "social", "video")
    shared = MemoryHub(names, Limits(), send_timeout_s=0.05)
    item, social, video = (shared.attach(name) for name in names)
    for _ in range(FULL):
        item.send(FRAME)
    with pytest.raises(PeerLostError, match="social takes no more frames"):
        item.send(FRAME)

    other = Frame(FrameKind.SEALED, "video", "social", 0, b"").encode()
    video.send(other)

    assert [social.receive(1.0), social.receive(1.0)] == [FRAME, other]


def test_a_stranger_cannot_be_attached() -> None:
    with pytest.raises(UnknownPeerError, match="mallory is not on the roster"):
        hub().attach("mallory")


def test_closing_the_hub_wakes_a_party_that_waits() -> None:
    shared = hub()
    threading.Timer(0.05, shared.close).start()

    with pytest.raises(PeerLostError, match="the hub is closed"):
        shared.attach("social").receive(60)


def test_nothing_can_be_handed_to_a_closed_hub() -> None:
    shared = hub()
    shared.close()
    shared.close()

    with pytest.raises(PeerLostError, match="the hub is closed"):
        shared.attach("item").send(FRAME)


def test_closing_the_hub_wakes_a_sender_that_waits() -> None:
    shared = hub()
    item = shared.attach("item")
    for _ in range(FULL):
        item.send(FRAME)
    threading.Timer(0.05, shared.close).start()

    with pytest.raises(PeerLostError, match="the hub is closed"):
        item.send(FRAME)


def test_a_sender_waits_until_a_slow_party_takes_a_frame() -> None:
    shared = hub()
    item, social = shared.attach("item"), shared.attach("social")
    for _ in range(FULL):
        item.send(FRAME)
    reader = threading.Timer(0.05, social.receive, [5.0])
    reader.start()

    item.send(FRAME)
    reader.join()

    assert [social.receive(1.0) for _ in range(FULL)] == [FRAME] * FULL


def test_a_party_that_takes_no_frames_is_given_up() -> None:
    item = MemoryHub(("item", "social"), Limits(), send_timeout_s=0.2).attach("item")
    for _ in range(FULL):
        item.send(FRAME)

    with pytest.raises(PeerLostError, match="social takes no more frames"):
        item.send(FRAME)


def test_a_wait_in_vain_says_how_long_it_was() -> None:
    with pytest.raises(PeerLostError, match="nothing came for 0 s"):
        hub().attach("social").receive(0.01)
