"""What tests of the rehearsal need of this machine."""

import os

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
def real_hosts() -> None:
    """Skips where hosts cannot be made."""
    if reason := _reason():
        pytest.skip(reason)
