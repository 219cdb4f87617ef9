"""Running programs for the rehearsal: bounded in time, and clear about what they are and lack."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from typing import Final

from deploy.rehearsal.errors import CommandFailedError, MissingToolError, OutOfTimeError

PACKAGES: Final = {  # Debian's
    "ip": "iproute2",
    "tc": "iproute2",
    "dumpcap": "tshark",
    "tshark": "tshark",
    "cc": "gcc",
}
LAST_WORDS: Final = 600  # characters of a failed command's output that an error shows


def require_root() -> None:
    """Refuse to go on without the rights that network namespaces need.

    Raises:
        MissingToolError: this process is not root's.
    """
    if os.geteuid() != 0:
        raise MissingToolError("network namespaces need root: run it again with sudo")


def require_tools(*names: str) -> None:
    """Refuse to go on without some programs.

    Raises:
        MissingToolError: one is missing; the message names its package.
    """
    for name in names:
        if shutil.which(name) is None:
            raise MissingToolError(f"{name} is missing: apt-get install {PACKAGES[name]}")


def run(argv: Sequence[str], *, timeout_s: float = 30.0) -> str:
    """Run a program to its end.

    Returns:
        What it wrote to stdout.

    Raises:
        CommandFailedError: it failed; the message ends with what it wrote last.
        OutOfTimeError: it did not end in time, and was killed.
    """
    try:
        done = subprocess.run(  # noqa: S603 - argv lists of this package, no shell
            list(argv), capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise OutOfTimeError(f"{' '.join(argv)} took over {timeout_s:.0f} s") from error
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip()[-LAST_WORDS:]
        raise CommandFailedError(f"{' '.join(argv)}: exit code {done.returncode}: {words}")
    return done.stdout
