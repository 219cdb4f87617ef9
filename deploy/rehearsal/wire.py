"""What a capture file holds: the bytes that every TCP connection carried, in their order.

Reads libpcap's classic format, as `dumpcap -P` writes it (draft-ietf-opsawg-pcap), with Ethernet
frames, IPv4 (RFC 791) and TCP (RFC 9293). Whatever is something else is counted by its kind.
"""

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from deploy.rehearsal.errors import CaptureError

FILE_HEADER: Final = struct.Struct("<IHHiIII")
PACKET_HEADER: Final = struct.Struct("<IIII")
MAGICS: Final = (0xA1B2C3D4, 0xA1B23C4D)  # microseconds, nanoseconds
ETHERNET: Final = 1  # link type; also that of loopback devices in a namespace
IPV4, TCP, SYN = 0x0800, 6, 0x02
SEQUENCES: Final = 1 << 32

Flow: TypeAlias = tuple[str, int, str, int]  # sender, its port, recipient, its port


@dataclass(slots=True)
class Stream:
    """One direction of one TCP connection.

    Args:
        flow: between whom.
        data: all it carried, in order.
        missing: bytes that were never captured although later ones were.
    """

    flow: Flow
    data: bytearray = field(default_factory=bytearray, repr=False)
    missing: int = 0
    due: int | None = None  # sequence number of the next byte
    early: dict[int, bytes] = field(default_factory=dict, repr=False)

    def take(self, sequence: int, payload: bytes) -> None:
        """Add a segment; one that came before its turn waits for the gap to close."""
        if self.due is None:
            self.due = sequence
        ahead = (sequence - self.due) % SEQUENCES
        if 0 < ahead < SEQUENCES // 2:
            longest = max(payload, self.early.get(sequence, b""), key=len)
            self.early[sequence] = longest
            return
        self._append(sequence, payload)
        while ready := [
            n for n in self.early if not 0 < (n - self.due) % SEQUENCES < SEQUENCES // 2
        ]:
            self._append(ready[0], self.early.pop(ready[0]))

    def _append(self, sequence: int, payload: bytes) -> None:
        known = ((self.due or 0) - sequence) % SEQUENCES  # bytes of it that came before
        new = payload[known:]
        self.data += new
        self.due = ((self.due or 0) + len(new)) % SEQUENCES

    def close(self) -> None:
        """Take in what still waits behind gaps, and count these."""
        while self.early and self.due is not None:
            nearest = min(self.early, key=lambda n: (n - (self.due or 0)) % SEQUENCES)
            self.missing += (nearest - self.due) % SEQUENCES
            self.due = nearest
            self.take(nearest, self.early.pop(nearest))


@dataclass(frozen=True, slots=True)
class Wire:
    """Everything a capture holds.

    Args:
        streams: one a direction and connection, in order of appearance.
        others: kind → packets that are not TCP over IPv4.
        packets: all of them.
        cut: packets that the capture holds only the beginning of.
    """

    streams: tuple[Stream, ...]
    others: dict[str, int]
    packets: int
    cut: int

    @property
    def missing(self) -> int:
        """Bytes that went by uncaptured, and packets that were cut."""
        return self.cut + sum(stream.missing for stream in self.streams)

    @property
    def carried(self) -> int:
        """Bytes that the streams carried."""
        return sum(len(stream.data) for stream in self.streams)


def read_wire(path: Path) -> Wire:
    """Read a capture and put its connections together.

    Raises:
        CaptureError: not a capture in the classic format, or none of Ethernet frames.
    """
    open_: dict[Flow, Stream] = {}
    streams: list[Stream] = []
    others: Counter[str] = Counter()
    packets = cut = 0
    for packet, whole in _packets(path):
        packets += 1
        cut += not whole
        segment = _segment(packet, others)
        if segment is None:
            continue
        if segment.opens or segment.flow not in open_:
            open_[segment.flow] = Stream(segment.flow)
            streams.append(open_[segment.flow])
        stream = open_[segment.flow]
        if segment.opens:
            stream.due = (segment.sequence + 1) % SEQUENCES
        elif segment.payload:
            stream.take(segment.sequence, segment.payload)
    for stream in streams:
        stream.close()
    return Wire(tuple(streams), dict(others), packets, cut)


def _packets(path: Path) -> Iterator[tuple[bytes, bool]]:
    """Packets, and whether each was captured whole."""
    with path.open("rb") as file:
        header = file.read(FILE_HEADER.size)
        if len(header) < FILE_HEADER.size or header[:4] not in _known_magics():
            raise CaptureError(f"{path} is no capture in libpcap's classic format")
        if FILE_HEADER.unpack(header)[6] != ETHERNET:
            raise CaptureError(f"{path} does not hold Ethernet frames")
        while len(head := file.read(PACKET_HEADER.size)) == PACKET_HEADER.size:
            _, _, captured, length = PACKET_HEADER.unpack(head)
            packet = file.read(captured)
            yield packet, len(packet) == length


def _known_magics() -> list[bytes]:
    return [struct.pack("<I", magic) for magic in MAGICS]


@dataclass(frozen=True, slots=True)
class _Segment:
    flow: Flow
    sequence: int
    opens: bool
    payload: bytes = field(repr=False)


def _segment(packet: bytes, others: Counter[str]) -> _Segment | None:
    kind = int.from_bytes(packet[12:14], "big")
    if kind != IPV4 or len(packet) < 34:
        others[f"ethertype {kind:#06x}"] += 1
        return None
    ip = packet[14:]
    if ip[9] != TCP:
        others[f"IP protocol {ip[9]}"] += 1
        return None
    start = (ip[0] & 15) * 4
    # A length of 0 is that of a packet which the sender's device had yet to cut up.
    end = int.from_bytes(ip[2:4], "big") or len(ip)
    tcp = ip[start:end]
    source, target, sequence = struct.unpack_from(">HHI", tcp)
    sender, recipient = (".".join(map(str, ip[at : at + 4])) for at in (12, 16))
    return _Segment(
        flow=(sender, source, recipient, target),
        sequence=sequence,
        opens=bool(tcp[13] & SYN),
        payload=tcp[(tcp[12] >> 4) * 4 :],
    )
