"""A SuperLink, a SuperNode and our executors on loopback, and apps to submit to them."""

import json
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from flwr.cli.build import build_fab_from_files

from federation.errors import PeerLostError
from federation.exchange.flower_control import Control
from federation.exchange.flower_runtime import Runtime
from parties.node.loopback import free_port, make_loopback_files
from parties.node.programs import (
    FleetAccess,
    NodePlace,
    Program,
    coordinator_executor,
    node_executor,
    superlink,
    supernode,
)

PARTY = "social"
PATIENCE_S = 60.0
FOLDER = "FEDRECALL_TEST_FOLDER"  # where apps leave what a test looks at

PYPROJECT = """
[project]
name = "{name}"
version = "1.0.0"
description = "an app to test with"
license = {{ text = "Apache-2.0" }}
dependencies = []

[tool.flwr.app]
publisher = "test"

[tool.flwr.app.components]
serverapp = "{name}.server:app"
clientapp = "{name}.client:app"
"""

SERVER = """
import json, os, time
from pathlib import Path
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.serverapp import ServerApp

app = ServerApp()

@app.main()
def main(grid, context):
    while not (nodes := list(grid.get_node_ids())):
        time.sleep(0.2)
    order = RecordDict({{"order": ConfigRecord({{"go": 1}})}})
    sent = list(grid.push_messages([Message(order, nodes[0], "train.session", ttl=300)]))
    while not (replies := list(grid.pull_messages(sent))):
        time.sleep(0.1)
    reply = replies[0]
    told = {{"error": reply.error.reason if reply.has_error() else None}}
    part = Path(os.environ["FEDRECALL_TEST_FOLDER"], "{name}.part")
    part.write_text(json.dumps(told))
    part.rename(part.with_suffix(".reply"))
"""

CLIENT = """
import os, signal
from pathlib import Path
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.clientapp import ClientApp

Path(os.environ["FEDRECALL_TEST_FOLDER"], "{name}.imported").touch()
app = ClientApp()

@app.train("session")
def session(message, context):
    {body}
    return Message(RecordDict({{"done": ConfigRecord({{"ok": 1}})}}), reply_to=message)
"""


def app_bundle(name: str, body: str = "pass") -> bytes:
    """An app whose client leaves a file behind as soon as it is imported."""
    files = {
        "pyproject.toml": PYPROJECT.format(name=name).encode(),
        f"{name}/__init__.py": b"",
        f"{name}/server.py": SERVER.format(name=name).encode(),
        f"{name}/client.py": CLIENT.format(name=name, body=body).encode(),
    }
    with warnings.catch_warnings():
        # Flower 1.41 names a pattern that pathspec has renamed.
        warnings.filterwarnings("ignore", "GitWildMatchPattern", DeprecationWarning)
        bundle, _ = build_fab_from_files(files)
    return bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowerNetwork:
    folder: Path
    control: Control
    processes: Mapping[str, "subprocess.Popen[bytes]"]

    def imported(self, name: str) -> bool:
        return (self.folder / f"{name}.imported").exists()

    def reply(self, name: str) -> str | None:
        """The error that the coordinator's app was told; None if its order was followed."""
        path = self.folder / f"{name}.reply"
        until(path.exists, lambda: self.logs())
        error: str | None = json.loads(path.read_text())["error"]
        return error

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def logs(self) -> str:
        return "\n".join(f"--- {name}\n{self.log(name)}" for name in self.processes)


def until(
    condition: Callable[[], bool],
    otherwise: Callable[[], str] = str,
    seconds: float = PATIENCE_S,
) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.1)


def node_key(folder: Path, name: str) -> str:
    """Make a SuperNode's key; returns its public half."""
    key = ec.generate_private_key(ec.SECP384R1())
    path = folder / f"{name}.key"
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def started(program: Program, folder: Path) -> "subprocess.Popen[bytes]":
    environment = {**program.full_environment(), FOLDER: str(folder)}
    with (folder / f"{program.name}.log").open("wb") as log:
        return subprocess.Popen(
            program.full_command(), env=environment, stdout=log, stderr=log, cwd=folder
        )


def place(folder: Path, name: str) -> NodePlace:
    home = folder / name
    home.mkdir()
    files = make_loopback_files(home)
    return NodePlace(party_file=home / "party.toml", home=home, files=files, port=free_port())


def answering(control: Control) -> bool:
    try:
        control.enrol({})
    except PeerLostError:
        return False
    return True


@contextmanager
def superlink_at(here: NodePlace, folder: Path) -> Iterator[Control]:
    """A SuperLink that answers."""
    process = started(superlink(here), folder)
    server = Runtime(address=here.address, authority=here.files.certificate)
    try:
        with Control(server) as control:
            until(lambda: answering(control), (folder / "superlink.log").read_text)
            yield control
    finally:
        process.kill()
        process.wait()


@contextmanager
def flower_network(folder: Path, *, allowed: list[str], led: list[str]) -> Iterator[FlowerNetwork]:
    """A coordinator that leads apps of the hashes `led`, and a node that runs those `allowed`."""
    lead, member = place(folder, "coordinator"), place(folder, PARTY)
    key = node_key(folder, PARTY)
    access = FleetAccess(
        address=lead.address, authority=lead.files.certificate, node_key=folder / f"{PARTY}.key"
    )
    leader = coordinator_executor(lead, "coordinator", led)
    programs = {
        "supernode": supernode(member, access),
        "executor": node_executor(member, PARTY, allowed),
        "leader": Program(name="leader", command=leader.command, environment=leader.environment),
    }
    with superlink_at(lead, folder) as control:
        control.enrol({PARTY: key})
        processes = {name: started(program, folder) for name, program in programs.items()}
        try:
            yield FlowerNetwork(folder=folder, control=control, processes=processes)
        finally:
            for process in processes.values():
                process.terminate()
            for process in processes.values():
                process.wait(PATIENCE_S)
