"""Flower's Control API, as a coordinator uses it on its own loopback: nodes and runs.

Flower asks for no account there, so whoever has a shell on the coordinator's machine can submit a
run. What may run is decided elsewhere, by the allow-lists of all nodes and of the coordinator.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Final, Self, TypeVar

# A privacy product phones nobody; Flower reads these once, when it is imported.
os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")

import httpx
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from flwr.common.constant import Status, SubStatus
from flwr.common.serde import fab_to_proto
from flwr.proto.control_pb2 import (
    ListNodesRequest,
    ListRunsRequest,
    RegisterNodeRequest,
    StartRunRequest,
    StopRunRequest,
    UnregisterNodeRequest,
)
from flwr.proto.node_pb2 import NodeInfo
from flwr.supercore.constant import NodeStatus
from flwr.supercore.control import ControlHttpClient
from flwr.supercore.error import FlowerError
from flwr.supercore.fab import Fab
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor
from flwr.supercore.primitives.asymmetric import public_key_to_bytes

from federation.errors import PeerLostError, SettingError
from federation.exchange.flower_runtime import Runtime

RequestT = TypeVar("RequestT")
ReplyT = TypeVar("ReplyT")
RUNS_KNOWN: Final = 100  # the newest ones; a coordinator has one at a time


class RunState(Enum):
    """Where a run of Flower's stands."""

    WAITING = "waiting"
    RUNNING = "running"
    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"
    UNKNOWN = "unknown"  # to this server: it lost its database

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self not in (RunState.WAITING, RunState.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """How a run is, and why it failed if it did."""

    state: RunState
    details: str = ""


class Control:
    """The Control API of a SuperLink on this machine.

    Every method raises PeerLostError when the SuperLink does not answer.
    """

    def __init__(self, server: Runtime) -> None:
        self._address = server.address
        self._client = ControlHttpClient.from_server_address(
            server.address,
            insecure=server.authority is None,
            root_certificates=server.authority.read_bytes() if server.authority else None,
            interceptors=[RuntimeVersionHttpInterceptor("fedrecall")],
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def enrol(self, keys: Mapping[str, str]) -> dict[str, int]:
        """Register exactly these nodes, and return their numbers by party.

        A node that is registered under its key keeps its number; one whose key is no longer among
        them is put out, so that a rotated key opens nothing.

        Args:
            keys: party → its node's public key in OpenSSH's form.

        Raises:
            SettingError: a key is none that Flower takes.
        """
        wanted = {_pem(party, key): party for party, key in keys.items()}
        numbers: dict[str, int] = {}
        for known in self._known_nodes():
            if known.public_key in wanted:
                numbers[wanted[known.public_key]] = known.node_id
            else:
                gone = UnregisterNodeRequest(node_id=known.node_id)
                self._call(self._client.UnregisterNode, gone)
        for key, party in wanted.items():
            if party not in numbers:
                request = RegisterNodeRequest(public_key=key, name=party)
                numbers[party] = self._call(self._client.RegisterNode, request).node_id
        return numbers

    def _known_nodes(self) -> list[NodeInfo]:
        nodes = self._call(self._client.ListNodes, ListNodesRequest()).nodes_info
        return [node for node in nodes if node.status != NodeStatus.UNREGISTERED]

    def start(self, bundle: bytes) -> int:
        """Submit an app; the number of its run.

        Raises:
            SettingError: the SuperLink will not run it.
        """
        fab = Fab(hashlib.sha256(bundle).hexdigest(), bundle, {})
        reply = self._call(self._client.StartRun, StartRunRequest(fab=fab_to_proto(fab)))
        if not reply.HasField("run_id"):
            raise SettingError("the SuperLink does not take the app: it is too large")
        number: int = reply.run_id
        return number

    def report(self, run: int) -> RunReport:
        """How a run is."""
        reply = self._call(self._client.ListRuns, ListRunsRequest(limit=RUNS_KNOWN))
        if run not in reply.run_dict:
            return RunReport(state=RunState.UNKNOWN)
        status = reply.run_dict[run].status
        return RunReport(state=_state(status.status, status.sub_status), details=status.details)

    def unfinished(self) -> list[int]:
        """Runs that wait or run."""
        runs = self._call(self._client.ListRuns, ListRunsRequest(limit=RUNS_KNOWN)).run_dict
        return [run for run, about in runs.items() if about.status.status != Status.FINISHED]

    def stop(self, run: int) -> None:
        """End a run; apps at the nodes go on until they notice."""
        self._call(self._client.StopRun, StopRunRequest(run_id=run))

    def _call(self, method: Callable[[RequestT], ReplyT], request: RequestT) -> ReplyT:
        try:
            return method(request)
        except httpx.HTTPStatusError as error:
            if error.response.is_server_error:
                raise PeerLostError(f"the SuperLink at {self._address} fails: {error}") from error
            problem = FlowerError.from_json(error.response.text)
            reason = problem.message if problem else str(error)
            raise SettingError(f"the SuperLink refuses: {reason}") from error
        except httpx.TransportError as error:
            reason = f"the SuperLink at {self._address} does not answer: {error}"
            raise PeerLostError(reason) from error


def _state(status: str, ending: str) -> RunState:
    if status == Status.FINISHED:
        endings = {
            SubStatus.COMPLETED: RunState.COMPLETED,
            SubStatus.STOPPED: RunState.STOPPED,
        }
        return endings.get(ending, RunState.FAILED)
    return RunState.RUNNING if status == Status.RUNNING else RunState.WAITING


def _pem(party: str, key: str) -> bytes:
    """A node's key as Flower writes it.

    Raises:
        SettingError: it is no OpenSSH public key of an elliptic curve.
    """
    try:
        public = load_ssh_public_key(key.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SettingError(f"the node key of {party} is no OpenSSH public key") from error
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise SettingError(f"the node key of {party} must be a P-384 key")
    return public_key_to_bytes(public)
