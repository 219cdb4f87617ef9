"""Captures made by hand, in libpcap's classic format, for tests of what reads them."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SYN, ACK = 0x02, 0x10


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One TCP segment from 10.0.0.1 to 10.0.0.2."""

    sequence: int
    payload: bytes = b""
    flags: int = ACK
    source: int = 40_000
    padding: bytes = b""
    offloaded: bool = False  # the IP length is left to the device

    def frame(self) -> bytes:
        tcp = struct.pack(
            ">HHIIBBHHH", self.source, 9093, self.sequence % 2**32, 0, 5 << 4, self.flags, 0, 0, 0
        )
        length = 0 if self.offloaded else 20 + len(tcp) + len(self.payload)
        ip = struct.pack(
            ">BBHIBBH4s4s", 0x45, 0, length, 0, 64, 6, 0, b"\x0a\0\0\1", b"\x0a\0\0\2"
        )
        return bytes(12) + b"\x08\x00" + ip + tcp + self.payload + self.padding


def write_capture(
    path: Path, frames: Sequence[bytes], *, link_type: int = 1, snap: int = 65_535
) -> Path:
    """Write frames as a capture that keeps `snap` bytes of each."""
    data = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, snap, link_type)
    for frame in frames:
        kept = frame[:snap]
        data += struct.pack("<IIII", 0, 0, len(kept), len(frame)) + kept
    path.write_bytes(data)
    return path
