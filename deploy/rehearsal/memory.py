"""What processes hold in memory: the last place where something in clear could be seen."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

LINE: Final = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ (\d+)\s*(.*)")
PIECE: Final = 1 << 26


def memory_of(pid: int) -> Iterator[bytes]:
    """The writable memory of a process that comes from no file, piece by piece.

    A process that ends meanwhile gives no more. It goes on running while it is read.
    """
    with suppress(OSError):  # it ended
        maps = Path("/proc", str(pid), "maps").read_text(encoding="utf-8", errors="replace")
        with Path("/proc", str(pid), "mem").open("rb", buffering=0) as memory:
            for begin, end in _regions(maps):
                memory.seek(begin)
                while begin < end:
                    with suppress(OSError):  # unmapped since
                        if piece := memory.read(min(PIECE, end - begin)):
                            yield piece
                            begin += len(piece)
                            continue
                    break


def _regions(maps: str) -> Iterator[tuple[int, int]]:
    for line in maps.splitlines():
        match = LINE.match(line)
        if match is None:
            continue
        begin, end, rights, inode, name = match.groups()
        # vvar and its like cannot be read; what belongs to a file holds no data of a run.
        if rights.startswith("rw") and inode == "0" and not name.startswith("[v"):
            yield int(begin, 16), int(end, 16)


def save_memory(pids: list[int], path: Path) -> int:
    """Add the memory of some processes to a file; returns its size in bytes."""
    with path.open("ab") as file:
        for pid in pids:
            for piece in memory_of(pid):
                file.write(piece)
    return path.stat().st_size
