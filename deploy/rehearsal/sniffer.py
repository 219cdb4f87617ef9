"""Capturing all that crosses a device, with the engine that tshark captures with."""

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from deploy.rehearsal.commands import require_tools
from deploy.rehearsal.errors import CaptureError

FILE_HEADER_BYTES: Final = 24
START_S: Final = 20.0
STOP_S: Final = 60.0
SETTLE_S: Final = 1.5
WHOLE_PACKET: Final = "262144"  # bytes; devices here hand over up to 64 KiB at a time
BUFFER_MIB: Final = "64"
DROPPED: Final = re.compile(r"received/dropped on interface '[^']*': (\d+)/(\d+)")


@contextmanager
def capturing(namespace: str, device: str, path: Path) -> Iterator[None]:
    """Write everything that crosses a device to `path`, in libpcap's classic format.

    Raises:
        MissingToolError: dumpcap is missing.
        CaptureError: the capture did not start, or lost packets.
    """
    require_tools("dumpcap")
    argv = ["ip", "netns", "exec", namespace, "dumpcap", "-q", "-P", "-i", device]
    argv += ["-s", WHOLE_PACKET, "-B", BUFFER_MIB, "-w", str(path)]
    log = path.with_suffix(".log")
    with log.open("wb") as file:
        process = subprocess.Popen(argv, stdout=file, stderr=file)  # noqa: S603 - argv list
    try:
        _await_start(process, path, log)
        yield
        _settle(path)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_S)
    _refuse_losses(log)


def _await_start(process: subprocess.Popen[bytes], path: Path, log: Path) -> None:
    ends = time.monotonic() + START_S
    while not path.exists() or path.stat().st_size < FILE_HEADER_BYTES:
        if process.poll() is not None or time.monotonic() > ends:
            raise CaptureError(f"the capture did not start: {log.read_text('utf-8').strip()}")
        time.sleep(0.05)


def _settle(path: Path) -> None:
    """Wait until what has crossed is written: the capture takes it from a buffer."""
    ends = time.monotonic() + STOP_S
    size = -1
    while path.stat().st_size != size and time.monotonic() < ends:
        size = path.stat().st_size
        time.sleep(SETTLE_S)


def _refuse_losses(log: Path) -> None:
    counted = DROPPED.search(log.read_text("utf-8", "replace"))
    if counted is None or int(counted.group(2)):
        raise CaptureError(f"the capture lost packets: {log.read_text('utf-8').strip()}")
