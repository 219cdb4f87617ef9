"""What was seen of a run, where it was seen, and what of the parties' secrets it holds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final

from deploy.rehearsal.finder import Finder, Kind, distinct
from deploy.rehearsal.tls_records import walk_records
from deploy.rehearsal.wire import Wire, read_wire

PIECE: Final = 1 << 28
LONGEST: Final = 1 << 12  # of a needle; pieces of a file overlap by it


class Place(Enum):
    """Where something was seen."""

    WIRE = "the wire between all hosts"
    LOOPBACK = "the coordinator's loopback"
    MEMORY = "the coordinator's memory"
    FILES = "the coordinator's files"


class Verdict(Enum):
    """What a check says."""

    CLEAN = "nothing is in clear"
    LEAKY = "something is in clear"
    INCONCLUSIVE = "the check proves nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What one place showed.

    Args:
        place: where.
        size: bytes that were searched.
        found: kind → different secrets found.
        canary: whether what must be there was found, which shows that the search saw the place.
        unsealed: bytes of TCP streams that belong to no TLS record; on the wire only.
        missing: bytes or packets that went by uncaptured.
    """

    place: Place
    size: int
    found: Mapping[Kind, int]
    canary: bool
    unsealed: int = 0
    missing: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The sights of a protected run and of its control."""

    protected: Sequence[Sight]
    control: Sequence[Sight]
    needles: Mapping[Kind, int] = field(default_factory=dict)

    def verdict(self) -> Verdict:
        """Whether anything was seen, and whether it would have been."""
        if any(sum(sight.found.values()) or sight.unsealed for sight in self.protected):
            return Verdict.LEAKY
        return Verdict.INCONCLUSIVE if self.doubts() else Verdict.CLEAN

    def doubts(self) -> list[str]:
        """Why finding nothing would prove nothing."""
        doubts = []
        for sight in self.protected:
            if not sight.canary:
                doubts.append(f"{sight.place.value}: what must be there was not found either")
            if sight.missing:
                doubts.append(f"{sight.place.value}: {sight.missing} packets or bytes are missing")
        for kind in Kind:
            if not any(sight.found[kind] for sight in self.control):
                doubts.append(f"the control does not show {kind.value} either")
        return doubts


def search_wire(place: Place, path: Path, finder: Finder, canary: bytes) -> Sight:
    """Search a capture: the file as it is, and every connection put together."""
    wire = read_wire(path)
    hits = [hit for part in _parts(path, wire) for hit in finder.find(part)]
    return Sight(
        place=place,
        size=wire.carried,
        found=distinct(hits),
        canary=any(canary in stream.data for stream in wire.streams),
        unsealed=unsealed(wire) if place is Place.WIRE else 0,
        missing=wire.missing,
    )


def unsealed(wire: Wire) -> int:
    """Bytes of all streams that belong to no TLS record."""
    return sum(walk_records(stream.data).clear for stream in wire.streams)


def search_files(place: Place, paths: Sequence[Path], finder: Finder, canary: bytes) -> Sight:
    """Search files as they are."""
    found, seen = [], False
    for path in paths:
        for piece in _pieces(path):
            found += list(finder.find(piece))
            seen = seen or canary in piece
    size = sum(path.stat().st_size for path in paths)
    return Sight(place=place, size=size, found=distinct(found), canary=seen)


def _parts(path: Path, wire: Wire) -> Iterator[bytes | bytearray]:
    yield from _pieces(path)
    for stream in wire.streams:
        yield stream.data


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        tail = b""
        while piece := file.read(PIECE):
            yield tail + piece
            tail = piece[-LONGEST:]
