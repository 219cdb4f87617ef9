"""Flower's simulation engine: every node of a federation on this machine, in a process of its own.

Rules:
1. A joint session needs every party at once, so there are as many processes as parties: with
   fewer, those at work would wait for those that never start.
2. Nothing is left behind: Ray's files lie in a folder that goes when the run ends, however it
   ends, and its processes end with the thread that started them, or with a start that failed.
3. Nothing is offered to the network: Ray listens on loopback only.
4. The leader is called once: Ray runs before Flower begins, and only its start is tried again.
"""

import logging
import os
import secrets
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any, Final

# A privacy product phones nobody; Flower and Ray read these once, when they are imported.
os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# Nothing that is forked here uses gRPC; it would complain whenever Ray starts a process.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
# Ray runs whatever reaches its ports. Outside Linux it listens on loopback only; so it shall here.
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
# Where Ray's own server died with the run, its helpers need not wait for another one.
os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", "5")
# Else Ray prints a trace of its own when this process is asked to end.
os.environ.setdefault("RAY_DISABLE_FAILURE_SIGNAL_HANDLER", "1")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else it warns of its change
# Parties do the work of a run: with Ray's 15 they stand still wherever others compute.
os.environ.setdefault("RAY_worker_niceness", "0")

from flwr.server.superlink.fleet.vce.backend.backend import BackendConfig
from flwr.serverapp import Grid
from flwr.simulation import run_simulation

from federation.errors import EngineError
from federation.exchange.flower import (
    Host,
    NodeConfig,
    client_app,
    server_app,
)
from federation.exchange.flower_directory import Introductions
from federation.exchange.steering import Order, Steering

PLACE: Final = "partition-id"  # which of the nodes one is, as Flower's engine counts them
MIB: Final = 2**20
STORE_BYTES: Final = 80 * MIB  # of orders and answers; Ray takes no smaller one
LONGEST_FOLDER: Final = 38  # characters: Ray keeps sockets below it, whose paths have at most 107
# One for all engines of a process: Ray reads it once and keeps it.
RAY_TOKEN: Final = secrets.token_hex(32)
HOST_GRACE_S: Final = 5.0
# Ray's server now and then does not come up, and says so only after half a minute.
STARTS: Final = 3

BACKEND: Final[BackendConfig] = {"client_resources": {"num_cpus": 1, "num_gpus": 0.0}}

Serve = Callable[[str, Order], Order]
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PartyNodes:
    """The nodes of a simulation: the n-th is the n-th party."""

    names: tuple[str, ...]
    work: Serve = field(repr=False)

    def name(self, config: NodeConfig) -> str:
        return self.names[int(config[PLACE])]

    def serve(self, order: Order, config: NodeConfig) -> Order:
        return self.work(self.name(config), order)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """The coordinator of a simulation.

    Args:
        host: its work.
        stop: has `host` end soon, from another thread; called when the engine ends first.
    """

    host: Host
    stop: Callable[[], None]


class _Lead:
    """The leader at work, in a thread of Flower's that nobody else would wait for."""

    def __init__(self, leader: Leader) -> None:
        self._leader = leader
        self._left = threading.Event()
        self._left.set()

    def __call__(self, steering: Steering) -> None:
        self._left.clear()
        try:
            self._leader.host(steering)
        finally:
            self._left.set()

    def end(self) -> None:
        """Have the leader leave, if it has not yet."""
        if not self._left.is_set():
            self._leader.stop()
            self._left.wait(HOST_GRACE_S)


def simulate_apps(leader: Leader, serve: Serve, parties: Sequence[str]) -> None:
    """Run a coordinator in this process and every other party in one of its own.

    Args:
        leader: the coordinator, in a thread of this process.
        serve: a party's work, given its name and its order; it crosses into the party's process,
            with all it refers to.
        parties: everyone but the coordinator.

    Raises:
        Exception: whatever the leader raised.
        EngineError: Ray does not start; the leader was not called.
        RuntimeError: Flower's engine could not run.
    """
    lead = _Lead(leader)

    def directory(grid: Grid) -> Introductions:
        return Introductions(grid, parties)

    with (
        _folder() as folder,
        _environment(folder),
        _quiet(),
        _terminable(),
        _ray(len(parties), folder),
        _terminable(),  # again: Ray took the signal for itself
    ):
        try:
            run_simulation(
                server_app(lead, directory),
                client_app(PartyNodes(tuple(parties), serve)),
                num_supernodes=len(parties),
                backend_config=BACKEND,
            )
        finally:
            lead.end()


@contextmanager
def _ray(processes: int, folder: Path) -> Iterator[None]:
    """Ray, running with room for `processes`; Flower takes it as it is."""
    # Ray reads the environment when it is imported, so that waits for the right one.
    ray = import_module("ray")
    try:
        _start(ray, processes, folder)
        yield
    finally:
        ray.shutdown()


def _start(ray: Any, processes: int, folder: Path) -> None:  # noqa: ANN401 - a module
    attempt = 1
    # Ray opens its folder to everyone, but not the parent.
    while (failure := _failure(ray, processes, folder / f"r{attempt}")) is not None:
        if attempt == STARTS:
            raise EngineError(f"Ray did not start in {STARTS} attempts: {failure}") from failure
        _LOG.warning("Ray did not start, and is started again: %s", failure)
        attempt += 1


def _failure(ray: Any, processes: int, folder: Path) -> Exception | None:  # noqa: ANN401
    """What a start of Ray's failed with that may not happen again; None once it runs."""
    try:
        with _whole_or_not_at_all():
            ray.init(**_settings(processes), _temp_dir=str(folder))
    except ValueError as error:
        raise EngineError(f"Ray does not take its settings: {error}") from error
    except Exception as error:  # noqa: BLE001 - Ray raises bare ones when a part is late
        ray.shutdown()
        return error
    return None


@contextmanager
def _whole_or_not_at_all() -> Iterator[None]:
    """End what Ray had started when its start fails: `ray.shutdown` knows nothing of it."""
    try:
        yield
    except BaseException as error:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            node: Any = frame.f_locals.get("self")  # one of Ray's, where it was being made
            if hasattr(node, "kill_all_processes"):
                node.kill_all_processes(check_alive=False, wait=True)
        raise


def _settings(processes: int) -> dict[str, Any]:
    return {
        "num_cpus": processes,  # however few cores there are: parties wait for each other
        "num_gpus": 0,
        "object_store_memory": STORE_BYTES,
        "include_dashboard": False,
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        # Its processes know this one's environment, not what it added to its own path.
        "runtime_env": {"env_vars": {"PYTHONPATH": os.pathsep.join(sys.path)}},
    }


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder for what Flower and Ray write, whose path is short enough for Ray's sockets."""
    place = tempfile.gettempdir()
    if len(place) > LONGEST_FOLDER - len("/fedrecall-12345678"):
        place = "/tmp"  # noqa: S108 - the folder made in it is this user's alone
    with tempfile.TemporaryDirectory(
        prefix="fedrecall-", dir=place, ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


@contextmanager
def _environment(folder: Path) -> Iterator[None]:
    """Keep Flower and Ray to `folder`, and let Ray take orders from this user alone."""
    before = dict(os.environ)
    token = folder / "ray-token"  # other users of this machine reach loopback too
    token.touch(mode=0o600)
    token.write_text(RAY_TOKEN)
    os.environ["FLWR_HOME"] = str(folder)
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(token)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)  # Ray adds to them


@contextmanager
def _quiet() -> Iterator[None]:
    """Have Flower tell errors, to this program's log and not to the terminal."""
    flower = logging.getLogger("flwr")
    level, handlers = flower.level, list(flower.handlers)
    flower.setLevel(logging.ERROR)
    for handler in handlers:
        flower.removeHandler(handler)
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        # This process ends. Flower's threads will complain that their work was taken away.
        level = logging.CRITICAL + 1
        raise
    finally:
        flower.setLevel(level)
        for handler in handlers:
            flower.addHandler(handler)


@contextmanager
def _terminable() -> Iterator[None]:
    """Unwind when this process is asked to end, rather than leave processes and files behind."""
    in_charge = threading.current_thread() is threading.main_thread()  # of signals
    before = signal.signal(signal.SIGTERM, _leave) if in_charge else None
    try:
        yield
    finally:
        if in_charge:
            signal.signal(signal.SIGTERM, before)


def _leave(number: int, frame: FrameType | None) -> None:
    del frame
    raise SystemExit(128 + number)
