from federation.exchange.quota import Quota

QUOTA = Quota(frames=3, bytes=100)


def test_frames_are_admitted_up_to_their_number() -> None:
    assert QUOTA.admits(1, frames=2, held=2)
    assert not QUOTA.admits(1, frames=3, held=3)


def test_frames_are_admitted_up_to_their_bytes() -> None:
    assert QUOTA.admits(40, frames=1, held=60)
    assert not QUOTA.admits(41, frames=1, held=60)


def test_one_frame_alone_is_admitted_whatever_its_size() -> None:
    assert QUOTA.admits(1000, frames=0, held=0)
    assert not QUOTA.admits(1, frames=1, held=1000)
