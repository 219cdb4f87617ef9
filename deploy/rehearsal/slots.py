"""Which rehearsal uses which names on this machine, so that two can run side by side.

A slot is a number and a locked file. The lock goes with its process however that ends, so a slot
whose lock can be taken is free, and whatever still bears its names was left behind. Who takes
slots first locks the door: else one that looks for a slot while another one cleans up behind
those that were killed would find all of them taken.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from deploy.rehearsal.errors import RehearsalError

SLOT_FOLDER: Final = Path("/run/fedrecall-rehearsal")
SLOTS: Final = 16


@contextmanager
def own_slot(folder: Path = SLOT_FOLDER) -> Iterator[int]:
    """Hold the lowest free slot.

    Raises:
        RehearsalError: every slot is taken.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _door(folder):
        number, descriptor = _lowest_free(folder)
    try:
        yield number
    finally:
        os.close(descriptor)


def _lowest_free(folder: Path) -> tuple[int, int]:
    """A slot and the descriptor that holds it."""
    for number in range(SLOTS):
        descriptor = _lock(folder, number)
        if descriptor is not None:
            return number, descriptor
    raise RehearsalError(f"{SLOTS} rehearsals are running already; wait for one to end")


@contextmanager
def other_free_slots(own: int, folder: Path = SLOT_FOLDER) -> Iterator[list[int]]:
    """Hold, for a moment, every slot but `own` that nobody uses."""
    with _door(folder):
        held = {number: _lock(folder, number) for number in range(SLOTS) if number != own}
        try:
            yield [number for number, descriptor in held.items() if descriptor is not None]
        finally:
            for descriptor in held.values():
                if descriptor is not None:
                    os.close(descriptor)


@contextmanager
def _door(folder: Path) -> Iterator[None]:
    """Wait until nobody else takes slots."""
    descriptor = os.open(folder / "door", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _lock(folder: Path, number: int) -> int | None:
    descriptor = os.open(folder / f"slot-{number}", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
