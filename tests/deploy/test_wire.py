"""Connections are put together from captured packets, and what is missing is never overlooked."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.rehearsal.errors import CaptureError
from deploy.rehearsal.wire import Stream, Wire, read_wire

from .made_capture import SYN, Made, write_capture

FLOW = ("10.0.0.1", 1, "10.0.0.2", 2)


def wire_of(tmp_path: Path, segments: list[Made]) -> Wire:
    frames = [segment.frame() for segment in segments]
    return read_wire(write_capture(tmp_path / "capture.pcap", frames))


def test_segments_are_joined_in_their_order(tmp_path: Path) -> None:
    begin = Made(sequence=99, flags=SYN)
    wire = wire_of(
        tmp_path, [begin, Made(sequence=100, payload=b"list"), Made(sequence=104, payload=b"ener")]
    )
    assert [bytes(stream.data) for stream in wire.streams] == [b"listener"]
    assert (wire.missing, wire.carried, wire.packets) == (0, 8, 3)


@given(
    data=st.binary(min_size=1, max_size=300),
    first=st.integers(0, 2**32 - 1),
    random=st.randoms(use_true_random=False),
)
def test_any_order_with_any_repeats_gives_the_same_stream(
    data: bytes, first: int, random: "object"
) -> None:
    assert hasattr(random, "shuffle")
    assert hasattr(random, "randint")
    pieces = [(at, data[at : at + 7]) for at in range(0, len(data), 5)]  # they overlap
    again = [pieces[random.randint(0, len(pieces) - 1)] for _ in range(5)]
    mixed = [*pieces, *again]
    random.shuffle(mixed)
    stream = Stream(FLOW, due=first)
    for at, piece in mixed:
        stream.take((first + at) % 2**32, piece)
    stream.close()
    assert bytes(stream.data) == data
    assert stream.missing == 0


def test_bytes_that_were_never_captured_are_counted(tmp_path: Path) -> None:
    segments = [Made(sequence=99, flags=SYN), Made(sequence=100, payload=b"ab")]
    wire = wire_of(tmp_path, [*segments, Made(sequence=105, payload=b"cd")])
    assert wire.missing == 3
    assert bytes(wire.streams[0].data) == b"abcd"


def test_a_packet_that_was_cut_is_counted(tmp_path: Path) -> None:
    frame = Made(sequence=1, payload=b"x" * 100).frame()
    assert read_wire(write_capture(tmp_path / "cut.pcap", [frame], snap=80)).missing == 1


def test_a_port_that_is_used_again_begins_a_new_stream(tmp_path: Path) -> None:
    one = [Made(sequence=9, flags=SYN), Made(sequence=10, payload=b"one")]
    two = [Made(sequence=7_000, flags=SYN), Made(sequence=7_001, payload=b"two")]
    wire = wire_of(tmp_path, [*one, *two])
    assert [bytes(stream.data) for stream in wire.streams] == [b"one", b"two"]


def test_two_directions_are_two_streams(tmp_path: Path) -> None:
    segments = [Made(sequence=1, payload=b"a"), Made(sequence=1, payload=b"b", source=40_001)]
    wire = wire_of(tmp_path, segments)
    assert len(wire.streams) == 2


def test_what_pads_a_short_frame_is_no_part_of_the_stream(tmp_path: Path) -> None:
    wire = wire_of(tmp_path, [Made(sequence=1, payload=b"a", padding=b"padding")])
    assert bytes(wire.streams[0].data) == b"a"


def test_a_packet_whose_length_its_device_was_to_write_is_whole(tmp_path: Path) -> None:
    frame = Made(sequence=1, payload=b"large" * 20_000, offloaded=True).frame()
    wire = read_wire(write_capture(tmp_path / "large.pcap", [frame], snap=262_144))
    assert (wire.carried, wire.missing) == (100_000, 0)


def test_what_is_not_tcp_is_counted_by_its_kind(tmp_path: Path) -> None:
    arp = bytes(12) + b"\x08\x06" + bytes(28)
    udp = bytearray(Made(sequence=1).frame())
    udp[14 + 9] = 17
    wire = read_wire(write_capture(tmp_path / "mixed.pcap", [arp, bytes(udp), arp]))
    assert wire.others == {"ethertype 0x0806": 2, "IP protocol 17": 1}


@pytest.mark.parametrize("content", [b"", b"\x0a\x0d\x0d\x0a" + bytes(40), b"no capture" * 9])
def test_another_format_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other.pcapng"
    path.write_bytes(content)
    with pytest.raises(CaptureError, match="classic format"):
        read_wire(path)


def test_frames_of_another_kind_of_link_are_refused(tmp_path: Path) -> None:
    path = write_capture(tmp_path / "raw.pcap", [], link_type=101)
    with pytest.raises(CaptureError, match="Ethernet"):
        read_wire(path)
