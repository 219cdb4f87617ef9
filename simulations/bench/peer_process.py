"""A program to compare with, in an interpreter of its own: on one thread, for so long at most."""

import json
import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from types import MappingProxyType
from typing import Final

from parties.one_thread import ONE_THREAD
from simulations.errors import PeerMissingError

# So that a peer's script does not take the modules beside it for those of the peer.
SAFE_PATH: Final[Mapping[str, str]] = MappingProxyType({"PYTHONSAFEPATH": "1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """One that has a peer installed.

    Args:
        python: its path; Python 3.11 or newer, for older ones know nothing of `PYTHONSAFEPATH`.
        name: what people call the peer.
        seconds: after which a run is ended, with all that it started.
    """

    python: Path
    name: str
    seconds: float = 3600.0

    def run(self, *arguments: str) -> str:
        """Run the interpreter to its end.

        Args:
            arguments: as on its command line: a script and what it takes.

        Returns:
            What it wrote to its standard output.

        Raises:
            PeerMissingError: it cannot be run, failed, or did not end in time; the message ends
                with the last line that it wrote to its standard error.
        """
        command = [str(self.python), "-W", "ignore", *arguments]
        try:
            process = subprocess.Popen(  # noqa: S603 - the interpreter that the caller named
                command,
                env={**os.environ, **ONE_THREAD, **SAFE_PATH},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise PeerMissingError(f"{self.python} cannot run {self.name}: {error}") from error
        with process:
            said, complained = self._heard(process)
        if process.returncode:
            raise PeerMissingError(
                f"{self.python} cannot run {self.name} (exit code {process.returncode}): "
                f"{_last_line(complained)}"
            )
        return said.decode(errors="replace")

    def _heard(self, process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
        """Both outputs of a run that ends in time; one that does not is ended."""
        try:
            return process.communicate(timeout=self.seconds)
        except subprocess.TimeoutExpired as error:
            _end(process)
            _, complained = process.communicate()
            raise PeerMissingError(
                f"{self.name} did not end within {self.seconds:g} seconds in {self.python}: "
                f"{_last_line(complained)}"
            ) from error
        except BaseException:  # an interrupt reaches this process alone, not the peer's session
            _end(process)
            raise

    def figure(self, key: str, *arguments: str) -> float:
        """A number of the JSON object that a script writes as its last line.

        Args:
            key: of the number.
            arguments: see `run`.

        Raises:
            PeerMissingError: as `run`, or that line is something else.
        """
        said = self.run(*arguments)
        last = _last_line(said.encode())
        try:
            found = float(json.loads(last)[key])
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise PeerMissingError(self._no(key, last)) from error
        if not isfinite(found):
            raise PeerMissingError(self._no(key, last))
        return found

    def _no(self, key: str, last: str) -> str:
        return f"{self.name} in {self.python} gave no {key} but {last[:80]!r}"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a run and whatever it started: a wrapper's interpreter would work on."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _last_line(said: bytes | None) -> str:
    lines = (said or b"").decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
