"""The cable of the rehearsal: no frame comes early, out of order or faster than the line."""

from deploy.rehearsal.relay import QUEUE_FRAMES, Direction


def test_a_frame_takes_its_time() -> None:
    way = Direction(delay_s=0.02, bytes_s=1e6)
    assert way.put(bytes(1000), now=5.0)
    assert way.wait_s(now=5.0) is not None
    assert abs((way.wait_s(now=5.0) or 0) - 0.021) < 1e-9
    assert way.due(now=5.0209) == []
    assert way.due(now=5.0211) == [bytes(1000)]
    assert way.wait_s(now=6.0) is None


def test_frames_queue_up_behind_each_other() -> None:
    way = Direction(delay_s=0.0, bytes_s=1e6)
    for number in range(3):
        way.put(bytes([number]) * 1000, now=0.0)
    assert [len(way.due(now=at)) for at in (0.0005, 0.0015, 0.0025, 0.0035)] == [0, 1, 1, 1]


def test_an_idle_line_saves_up_nothing() -> None:
    way = Direction(delay_s=0.0, bytes_s=1e6)
    way.put(bytes(1000), now=0.0)
    way.due(now=10.0)
    way.put(bytes(1000), now=10.0)
    assert way.due(now=10.0005) == []
    assert len(way.due(now=10.0015)) == 1


def test_a_full_line_loses_frames() -> None:
    way = Direction(delay_s=1.0, bytes_s=1e9)
    taken = [way.put(b"frame", now=0.0) for _ in range(QUEUE_FRAMES + 2)]
    assert taken == [True] * QUEUE_FRAMES + [False, False]
