"""The programs that make up a node, as command lines and environments; no secret is in either."""

import os
import signal
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from federation.exchange.leash import leashed
from parties.node.loopback import HOST, LoopbackFiles
from parties.node.party_file import PARTY_VARIABLE, Endpoint, PartyFile
from parties.one_thread import ONE_THREAD

RUN_FILE: Final = "run.json"
# A privacy product phones nobody.
QUIET: Final[Mapping[str, str]] = MappingProxyType(
    {
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "PYTHONUNBUFFERED": "1",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One process of a node.

    Args:
        name: what logs and status call it.
        command: program and arguments.
        environment: what its environment has besides the node's own.
        last_word: the signal it gets when the supervisor is killed.
        patience_s: seconds it may take to end when it is asked to.
        first_wait_s: seconds before it is started again, doubled each time it ends soon.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    last_word: signal.Signals = signal.SIGKILL
    patience_s: float = 10.0
    first_wait_s: float = 1.0

    def full_command(self) -> tuple[str, ...]:
        """The command that dies with this process."""
        return leashed(self.command, last_word=self.last_word)

    def full_environment(self) -> dict[str, str]:
        """The whole environment."""
        return {**os.environ, **QUIET, **self.environment}


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlace:
    """Where a node's processes live.

    Args:
        party_file: absolute path of the party.toml.
        home: Flower's home folder, inside the state folder.
        files: certificate, key and secret of this `up`.
        port: of this node's SuperLink or SuperNode, on loopback.
        repeatable: whether a run has to repeat a simulation's to the last bit.
    """

    party_file: Path
    home: Path
    files: LoopbackFiles
    port: int
    repeatable: bool = False

    @property
    def environment(self) -> dict[str, str]:
        """What every process of the node is told."""
        own = {PARTY_VARIABLE: str(self.party_file), "FLWR_HOME": str(self.home)}
        return {**own, **ONE_THREAD} if self.repeatable else own

    @property
    def run_file(self) -> Path:
        """Where the steward notes which of Flower's runs works on which job."""
        return self.home / RUN_FILE

    @property
    def address(self) -> str:
        """host:port of the SuperLink or SuperNode."""
        return f"{HOST}:{self.port}"


def superlink(place: NodePlace) -> Program:
    """Flower's server at the coordinator; on loopback, so that parties meet the gate alone."""
    files = place.files
    command = (
        *(_script("flower-superlink"), "--host", HOST, "--port", str(place.port)),
        *("--ssl-ca-certfile", str(files.certificate)),
        *("--ssl-certfile", str(files.certificate), "--ssl-keyfile", str(files.key)),
        *("--database", str(place.home / "superlink.db"), "--enable-supernode-auth"),
        *("--isolation", "process", "--superexec-auth-secret-file", str(files.secret)),
        "--disable-runtime-dependency-installation",
    )
    return Program(name="superlink", command=command, environment=place.environment)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetAccess:
    """How a party's SuperNode reaches the coordinator.

    Args:
        address: host:port of the gate.
        authority: PEM file of the federation's authority.
        node_key: file of the SuperNode's secret key.
    """

    address: str
    authority: Path
    node_key: Path


def supernode(place: NodePlace, access: FleetAccess) -> Program:
    """Flower's client at a party; it runs nothing itself (`--isolation process`)."""
    command = (
        *(_script("flower-supernode"), "--host", HOST, "--port", str(place.port)),
        *("--superlink", access.address, "--root-certificates", str(access.authority)),
        *("--auth-supernode-private-key", str(access.node_key)),
        *("--isolation", "process", "--superexec-auth-secret-file", str(place.files.secret)),
    )
    return Program(
        name="supernode",
        command=command,
        environment=place.environment,
        # It tells the SuperLink that it leaves; killed, it would count as online for 60 s.
        last_word=signal.SIGTERM,
    )


def node_executor(place: NodePlace, party: str, apps: Collection[str] | None) -> Program:
    """Runs listed client apps at an item party or partner; without a list, this release's own."""
    command = _executor(place, party, "flwr-clientapp", apps)
    # The app's own patience is 10 s (`flower_node.PATIENCE_S`).
    return Program(
        name="executor", command=command, environment=place.environment, patience_s=20.0
    )


def coordinator_executor(place: NodePlace, party: str, apps: Collection[str] | None) -> Program:
    """Runs listed server apps at the coordinator; without a list, this release's own."""
    command = _executor(place, party, "flwr-serverapp", apps)
    command += ("--authority", str(place.files.certificate))
    return Program(
        name="executor", command=command, environment=place.environment, patience_s=20.0
    )


def gate(place: NodePlace, party: PartyFile, listen: Endpoint) -> Program:
    """The public port in front of Flower's fleet API."""
    command = (
        *(*_module("parties.node.gate"), "--upstream", place.address),
        *("--authority", str(place.files.certificate)),
        *("--keys", str(party.keys), "--roster", str(party.roster)),
        *("--host", listen.host, "--port", str(listen.flower_port)),
    )
    return Program(name="gate", command=command, environment=place.environment)


def steward(place: NodePlace) -> Program:
    """Registers the roster's nodes and submits jobs."""
    command = (*_module("parties.node.steward"), place.address, str(place.files.certificate))
    return Program(name="steward", command=command, environment=place.environment)


def _executor(
    place: NodePlace, party: str, post: str, apps: Collection[str] | None
) -> tuple[str, ...]:
    allowed = ["--allow-shipped"]
    if apps is not None:
        allowed = [argument for app in sorted(apps) for argument in ("--allow", app)]
    return (
        *(*_module("federation.exchange.flower_node"), "--party", party, "--post", post),
        *("--runtime", place.address, "--secret", str(place.files.secret)),
        *allowed,
    )


def _module(name: str) -> tuple[str, ...]:
    return (sys.executable, "-m", name)


def _script(name: str) -> str:
    """A program that came with Flower, beside this Python."""
    return str(Path(sys.executable).parent / name)
