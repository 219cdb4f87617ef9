"""Starting the real console program, and looking at what it leaves behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("fedrecall")
QUICK = (
    "--set=encoder.width=16",
    "--set=training.epochs=2",
    "--set=trainer.negatives=2048",
    "--set=alignment.workers=1",
)
DEADLINE_S = 180.0  # a machine that does much else is no failure


def environment() -> dict[str, str]:
    """The test's own, with one thread a library and room for whole lines."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": ""}


def fedrecall(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the program to its end."""
    return subprocess.run(
        [PROGRAM, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        env=environment(),
        check=False,
    )


def start(*arguments: str | Path) -> "subprocess.Popen[str]":
    """Start the program in a process group of its own, as a shell does."""
    return subprocess.Popen(
        [PROGRAM, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        process_group=0,
    )


def wait_until(true: Callable[[], bool], *, seconds: float = DEADLINE_S) -> None:
    """Look again and again; raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)


def workers_of(process: "subprocess.Popen[str]") -> dict[int, str]:
    """Process id → command line of every live process in the program's process group."""
    found = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = status.read_text()
            command = status.with_name("cmdline").read_text().replace("\0", " ")
        except OSError:  # it ended meanwhile
            continue
        state, _, group = text.rpartition(")")[2].split()[:3]
        number = int(status.parent.name)
        if int(group) == process.pid and number != process.pid and state != "Z":
            found[number] = command
    return found


def task_workers(process: "subprocess.Popen[str]") -> list[int]:
    """The processes that do tasks, without the one that tracks resources."""
    return [pid for pid, command in workers_of(process).items() if "spawn_main" in command]


def is_deaf_to_interrupts(pid: int) -> bool:
    """Whether a process has blocked SIGINT."""
    status = Path(f"/proc/{pid}/status").read_text()
    blocked = next(line for line in status.splitlines() if line.startswith("SigBlk:"))
    return bool(int(blocked.split()[1], 16) >> (signal.SIGINT - 1) & 1)


def end(process: "subprocess.Popen[str]", number: signal.Signals, *, group: bool) -> str:
    """Send a signal, wait for the end, and return what was said on stderr."""
    if group:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    return process.communicate(timeout=DEADLINE_S)[1]
