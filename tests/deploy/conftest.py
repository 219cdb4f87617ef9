"""What tests of the rehearsal need of this machine."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.rehearsal.commands import require_root, require_tools, run
from deploy.rehearsal.errors import RehearsalError


def _reason() -> str | None:
    """Why hosts cannot be made here; None if they can."""
    name = f"fedrehearsaltry-{os.getpid()}"
    try:
        require_root()
        require_tools("ip")
        run(["ip", "netns", "add", name])
        run(["ip", "netns", "delete", name])
    except RehearsalError as error:
        return str(error)
    return None


@pytest.fixture(scope="session")
def why_no_hosts() -> str | None:
    return _reason()


@pytest.fixture
def real_hosts(why_no_hosts: str | None) -> Iterator[None]:
    """Skips where hosts cannot be made; one test at a time has any, in whichever process.

    They share the names of their slots, and each rehearsal removes what an earlier one left: a
    test would not find what it left, or find what another one made.
    """
    if why_no_hosts:
        pytest.skip(why_no_hosts)
    with Path(tempfile.gettempdir(), "fedrecall-tests-hosts.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
