"""The node's status: what its supervisor writes, and what `fedrecall node status` reads."""

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from parties.checkpoints import write_whole
from parties.errors import NodeError
from parties.node.activity import Activity
from parties.node.children import ChildState, ChildStatus

VERSION: Final = 1
LOCK: Final = "up.lock"
LOCK_TRIES: Final = 5
LOCK_WAIT_S: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """A node as its supervisor sees it.

    Args:
        party: its name.
        role: `coordinator`, `item` or `partner`.
        pid: of the supervisor.
        started: Unix seconds of its start.
        written: Unix seconds of this status.
        children: its processes.
        activity: what its newest job is at.
    """

    party: str
    role: str
    pid: int
    started: float
    written: float
    children: tuple[ChildStatus, ...] = ()
    activity: Activity = field(default_factory=Activity)

    @property
    def healthy(self) -> bool:
        """Whether every process of the node runs."""
        running = [child.state is ChildState.RUNNING for child in self.children]
        return bool(running) and all(running)

    def to_plain(self) -> dict[str, Any]:
        """As JSON has it."""
        values = asdict(self)
        for child in values["children"]:
            child["state"] = child["state"].value
        return {"version": VERSION, "healthy": self.healthy, **values}


def write_status(path: Path, status: NodeStatus) -> None:
    """Replace the status, whole or not at all.

    Raises:
        CheckpointError: the disk refused.
    """
    write_whole(path, json.dumps(status.to_plain()).encode())


def read_status(path: Path) -> Mapping[str, Any] | None:
    """The last status that was written, as JSON has it; None if there is none.

    Raises:
        NodeError: the file is damaged.
    """
    try:
        values = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise NodeError(f"{path} cannot be read: {error}") from error
    if not isinstance(values, dict) or values.get("version") != VERSION:
        raise NodeError(f"{path} is of another version; start the node again")
    return values


@contextmanager
def only_one(state: Path) -> Iterator[None]:
    """Hold a state folder: two nodes of one party would spoil each other's files.

    Raises:
        NodeError: another process holds it.
        OSError: the folder cannot be written.
    """
    with (state / LOCK).open("a+") as lock:
        (state / LOCK).chmod(0o600)
        if not _held(lock):
            lock.seek(0)
            raise NodeError(
                f"a node runs with {state} already, as process {lock.read().strip() or '?'}; stop "
                "it first, or give this one a state folder of its own"
            )
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _held(lock: IO[str]) -> bool:
    """Take the lock; False if a node has it."""
    for _ in range(LOCK_TRIES):  # `is_up` has it for a moment
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(LOCK_WAIT_S)
        else:
            return True
    return False


def is_up(state: Path) -> bool:
    """Whether a node runs with this state folder."""
    path = state / LOCK
    if not path.exists():
        return False
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
