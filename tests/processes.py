"""Whether processes that a test saw run still do."""

import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
PATIENCE_S = 60.0


def runs(process: int) -> bool:
    """Whether it is there, and not only its exit code that nobody has asked for."""
    try:
        return "\nState:\tZ" not in (PROC / str(process) / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for_the_end_of(processes: Collection[int], seconds: float = PATIENCE_S) -> None:
    """Look again and again; AssertionError names those that run on."""
    deadline = time.monotonic() + seconds
    while alive := [each for each in processes if runs(each)]:
        assert time.monotonic() < deadline, alive
        time.sleep(0.02)


def descendants(process: int) -> list[int]:
    """Its children, and theirs; whatever ends meanwhile is left out."""
    found: list[int] = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in (PROC / str(process) / "task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):
                for child in (task / "children").read_text().split():
                    found += [int(child), *descendants(int(child))]
    return found
