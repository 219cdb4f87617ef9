"""A program to compare with, in an interpreter of its own: on one thread, for so long at most."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from simulations.errors import PeerMissingError

# Read by numerical libraries when they are imported. A peer has as many threads as we have.
ONE_THREAD: Final[Mapping[str, str]] = MappingProxyType(
    dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
    )
)
# So that a peer's script does not take the modules beside it for those of the peer.
SAFE_PATH: Final[Mapping[str, str]] = MappingProxyType({"PYTHONSAFEPATH": "1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """What is compared with.

    Args:
        python: an interpreter that has it.
        name: what people call it.
        seconds: after which a run is ended.
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
            done = subprocess.run(  # noqa: S603 - the interpreter that the caller named
                command,
                env={**os.environ, **ONE_THREAD, **SAFE_PATH},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=self.seconds,
                check=False,
            )
        except OSError as error:
            raise PeerMissingError(f"{self.python} cannot run {self.name}: {error}") from error
        except subprocess.TimeoutExpired as error:
            raise PeerMissingError(
                f"{self.name} did not end within {self.seconds:g} seconds in {self.python}: "
                f"{_last_line(error.stderr)}"
            ) from error
        if done.returncode:
            raise PeerMissingError(
                f"{self.python} cannot run {self.name} (exit code {done.returncode}): "
                f"{_last_line(done.stderr)}"
            )
        return done.stdout.decode(errors="replace")

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
            return float(json.loads(last)[key])
        except (ValueError, KeyError, TypeError) as error:
            raise PeerMissingError(
                f"{self.name} in {self.python} gave no {key} but {last[:80]!r}"
            ) from error


def _last_line(said: bytes | None) -> str:
    lines = (said or b"").decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
