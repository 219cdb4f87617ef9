"""The processes of a node: started, watched, started again, and ended.

A process that ends is started again, forever: first at once, then after waits that double up to
`MAX_WAIT_S`. Flower notices only after 45 to 60 s that a SuperNode was killed and refuses its
successor until then, so giving up sooner would leave a node dead that only had to wait.
"""

import subprocess
import threading
import time
from dataclasses import dataclass
from enum import Enum
from typing import IO, Final

from parties.node.logs import LINE_BYTES, Level, NodeLog
from parties.node.programs import Program

MAX_WAIT_S: Final = 15.0
STEADY_S: Final = 60.0  # a process that lived so long did not end because it cannot start


class ChildState(Enum):
    """What a process is at."""

    WAITING = "waiting"  # to be started, or started again
    RUNNING = "running"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildStatus:
    """A process as others see it.

    Args:
        name: of its program.
        state: what it is at.
        pid: of the present process; None if there is none.
        restarts: how often it was started again.
        since: Unix seconds of its last start; 0 before the first.
        code: exit code of the last one that ended; negative for a signal, None before.
    """

    name: str
    state: ChildState
    pid: int | None
    restarts: int
    since: float
    code: int | None


class Child:
    """One process; used by one thread, the one that starts it, which it must not outlive."""

    def __init__(self, program: Program, log: NodeLog) -> None:
        self.program = program
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._state = ChildState.WAITING
        self._starts = 0
        self._failures = 0
        self._due = 0.0
        self._began = 0.0
        self._since = 0.0
        self._code: int | None = None

    def tick(self) -> None:
        """Notice that it ended, and start it when that is due."""
        if self._process is not None and self._process.poll() is not None:
            self._note_end(self._process.returncode)
        if self._process is None and time.monotonic() >= self._due:
            self._start()

    def ask_to_end(self) -> None:
        """Ask it to end; it is not started again."""
        self._state = ChildState.ENDED
        if self._process is not None:
            self._process.terminate()

    def end(self) -> None:
        """Wait until it has ended, and kill it if it takes too long."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            process.wait(self.program.patience_s)
        except subprocess.TimeoutExpired:
            self._say(
                Level.WARNING,
                "child_killed",
                f"killed: it did not end in {self.program.patience_s:.0f} s",
            )
            process.kill()
            process.wait()
        self._code = process.returncode

    def status(self) -> ChildStatus:
        """What it is at."""
        process = self._process
        return ChildStatus(
            name=self.program.name,
            state=self._state,
            pid=process.pid if process is not None else None,
            restarts=max(0, self._starts - 1),
            since=self._since,
            code=self._code,
        )

    def _start(self) -> None:
        self._began, self._since = time.monotonic(), time.time()
        self._starts += 1
        try:
            process = subprocess.Popen(  # noqa: S603 - programs of our own, or Flower's
                self.program.full_command(),
                env=self.program.full_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        except OSError as error:
            self._retry(f"cannot be started: {error.strerror}")
            return
        self._process, self._state = process, ChildState.RUNNING
        if process.stdout is not None:
            name = f"output of {self.program.name}"
            reader = threading.Thread(
                target=self._read, args=[process.stdout], name=name, daemon=True
            )
            reader.start()
        self._say(Level.INFO, "child_started", f"started, process {process.pid}")

    def _read(self, output: IO[bytes]) -> None:
        with output:
            while line := output.readline(LINE_BYTES):
                self._log.output(self.program.name, line)

    def _note_end(self, code: int) -> None:
        self._process, self._code = None, code
        lived_s = time.monotonic() - self._began
        if lived_s >= STEADY_S:
            self._failures = 0
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        self._retry(f"{how} after {lived_s:.0f} s")

    def _retry(self, problem: str) -> None:
        wait_s = min(MAX_WAIT_S, self.program.first_wait_s * 2**self._failures)
        self._failures = min(self._failures + 1, 10)
        self._state, self._due = ChildState.WAITING, time.monotonic() + wait_s
        text = f"{problem}; it is started again in {wait_s:.0f} s, and again until it stays up"
        self._say(Level.ERROR, "child_ended", text)

    def _say(self, level: Level, event: str, text: str) -> None:
        fields = {"child": self.program.name, "restarts": self.status().restarts}
        self._log.event(level, event, f"{self.program.name} {text}", fields=fields)
