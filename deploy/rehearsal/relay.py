"""A cable in a process of its own: two network devices, and time between them.

Stands in where the kernel was built without netem. It makes a device in each of two network
namespaces and carries every frame from one to the other, no faster than the cable allows and no
sooner than it takes. Runs as a plain script; of the package it needs nothing.
"""

import argparse
import ctypes
import fcntl
import os
import select
import struct
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

TUNSETIFF: Final = 0x400454CA  # linux/if_tun.h
IFF_TAP: Final = 0x0002
IFF_NO_PI: Final = 0x1000
CLONE_NEWNET: Final = 0x40000000
FRAME_BYTES: Final = 65_536
QUEUE_FRAMES: Final = 1_000  # as many as netem holds; further ones are lost, as on a full line
READY: Final = "ready"


@dataclass(slots=True)
class Direction:
    """One way along the cable: a queue that a frame leaves when its time has come.

    Args:
        delay_s: seconds a frame is under way.
        bytes_s: bytes that enter the cable in a second.
    """

    delay_s: float
    bytes_s: float
    free_at: float = 0.0  # when the last frame will have entered the cable
    queue: deque[tuple[float, bytes]] = field(default_factory=deque)

    def put(self, frame: bytes, now: float) -> bool:
        """Take a frame in; returns whether there was room for it."""
        if len(self.queue) >= QUEUE_FRAMES:
            return False
        self.free_at = max(self.free_at, now) + len(frame) / self.bytes_s
        self.queue.append((self.free_at + self.delay_s, frame))
        return True

    def due(self, now: float) -> list[bytes]:
        """The frames that have arrived by `now`."""
        frames = []
        while self.queue and self.queue[0][0] <= now:
            frames.append(self.queue.popleft()[1])
        return frames

    def wait_s(self, now: float) -> float | None:
        """Seconds until the next frame arrives; None if none is under way."""
        return max(self.queue[0][0] - now, 0.0) if self.queue else None


def open_device(namespace: str, name: str) -> int:
    """Make a device in a namespace, which this process then stays in.

    Raises:
        OSError: the kernel refused.
    """
    enter = ctypes.CDLL(None, use_errno=True).setns
    with Path("/run/netns", namespace).open("rb") as file:
        if enter(file.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter network namespace {namespace}")
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    request = struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI)
    fcntl.ioctl(descriptor, TUNSETIFF, request)
    return descriptor


def carry(
    ends: tuple[int, int], ways: tuple[Direction, Direction], go_on: Callable[[], bool]
) -> None:
    """Carry frames both ways until told to stop; a frame that an end does not take is lost."""
    routes = {ends[0]: (ways[0], ends[1]), ends[1]: (ways[1], ends[0])}
    while go_on():
        now = time.monotonic()
        waits = [wait for way in ways if (wait := way.wait_s(now)) is not None]
        readable, _, _ = select.select(ends, [], [], min([*waits, 1.0]))
        for end in readable:
            _take_in(end, routes[end][0])
        for way, exit_ in routes.values():
            for frame in way.due(time.monotonic()):
                _let_out(exit_, frame)


def _take_in(end: int, way: Direction) -> None:
    for _ in range(64):  # then the other way gets its turn
        try:
            frame = os.read(end, FRAME_BYTES)
        except BlockingIOError:
            return
        except OSError:  # the device is not up yet, or no longer
            time.sleep(0.01)
            return
        way.put(frame, time.monotonic())


def _let_out(end: int, frame: bytes) -> None:
    try:
        os.write(end, frame)
    except OSError:  # down or full: the frame is lost, as it would be on a wire
        return


def main(arguments: Sequence[str] | None = None) -> None:
    """Lay one cable and carry frames until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--host", "--host-device", "--switch", "--switch-device"):
        parser.add_argument(name, required=True)
    parser.add_argument("--delay-ms", type=float, required=True)
    parser.add_argument("--mbit-s", type=float, required=True)
    given = parser.parse_args(arguments)
    # The switch comes last: killing all on the host must not cut its cable.
    far = open_device(given.host, given.host_device)
    near = open_device(given.switch, given.switch_device)
    delay_s, bytes_s = given.delay_ms / 1e3, given.mbit_s * 1e6 / 8
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()
    carry((far, near), (Direction(delay_s, bytes_s), Direction(delay_s, bytes_s)), lambda: True)


if __name__ == "__main__":
    main()
