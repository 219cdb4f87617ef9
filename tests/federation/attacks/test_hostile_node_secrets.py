"""Somebody who reads logs, status pages, state folders, argument lists and environments.

One run over real hubs and keys, which is broken once so that errors are logged too. The secrets of
it are then looked for in every spelling that a program may leave them in.
"""

import base64
import json
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from federation.protocol.profile import Profile
from parties.config import COORDINATOR, ITEM
from parties.events import Progress, Stage
from parties.node.activity import LedgerFollower, coordinator_activity
from parties.node.health import metrics
from parties.node.jobs import Job, JobStatus
from parties.node.status import NodeStatus
from tests.parties.harness import make_world, tiny
from tests.parties.node.nodes import PARTNERS, Nodes, make_nodes

WORLD = make_world(*PARTNERS)
MEMBERS = (ITEM, *PARTNERS)


@dataclass(frozen=True)
class Run:
    """A run that is over, and what was said of it."""

    nodes: Nodes
    job: Job
    log: str

    def state(self, party: str) -> Path:
        return self.nodes.folder / f"{party}-state"

    def files(self, party: str) -> Mapping[str, bytes]:
        return {
            str(path.relative_to(self.state(party))): path.read_bytes()
            for path in self.state(party).rglob("*")
            if path.is_file()
        }


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    said: list[str] = []

    class Said(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(self.format(record))

    handler, root = Said(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    nodes = make_nodes(tmp_path_factory.mktemp("nodes"), WORLD)
    breaks = iter([True])

    def breaking(progress: Progress) -> None:
        if progress.stage is Stage.TRAINING and progress.done == 2 and next(breaks, False):
            raise RuntimeError("the process was killed")

    try:
        for name in MEMBERS:
            nodes.change(name, private_seed=lambda _: None)  # each draws its own
        nodes.change(ITEM, watch=breaking)
        job = nodes.job(tiny(Profile.PLAIN, training__epochs=2))
        assert nodes.run(job).status is JobStatus.DONE
        yield Run(nodes, job, "\n".join(said))
    finally:
        nodes.steering.close()
        root.removeHandler(handler)
        root.setLevel(level)


def spellings(secret: bytes) -> tuple[bytes, ...]:
    """A secret as bytes, digits, base64 and as Python prints it."""
    return (
        secret,
        secret.hex().encode(),
        secret.hex().upper().encode(),
        base64.b64encode(secret).rstrip(b"="),
        base64.urlsafe_b64encode(secret).rstrip(b"="),
        repr(secret)[2:-1].encode(),
    )


def found(secrets: Mapping[str, bytes], where: bytes) -> list[str]:
    return [
        name
        for name, secret in secrets.items()
        if any(spelt in where for spelt in spellings(secret))
    ]


def tokens(run: Run) -> Mapping[str, bytes]:
    return {
        f"token {number} of {name}": bytes(order["token"])  # type: ignore[arg-type]
        for number, orders in enumerate(run.nodes.steering.orders)
        for name, order in orders.items()
    }


def keys_of(run: Run, party: str) -> Mapping[str, bytes]:
    """The middle of every secret key file, which no other file has."""
    folder = run.nodes.folder / "keys" / party
    secrets = {}
    for path in folder.glob("*.key"):
        lines = path.read_bytes().splitlines()
        secrets[f"{path.name} of {party}"] = max(lines, key=len)
    assert secrets
    return secrets


def seeds(run: Run) -> Mapping[str, bytes]:
    folders = {name: run.nodes.member_folder(name, run.job) for name in MEMBERS}
    return {
        f"private seed of {name}": (folder / "private.seed").read_bytes()
        for name, folder in folders.items()
    }


def test_the_search_finds_a_secret_in_every_spelling() -> None:
    secret = bytes(range(200, 232))
    for spelt in spellings(secret):
        assert found({"it": secret}, b"token=" + spelt + b"\n") == ["it"]
    assert found({"it": secret}, b"nothing") == []


def test_a_run_leaves_no_token_key_or_seed_in_any_log(run: Run) -> None:
    everyones = [keys_of(run, name) for name in (COORDINATOR, *MEMBERS)]
    secrets = {**tokens(run), **seeds(run)}
    for each in everyones:
        secrets.update(each)
    numbers = {
        f"{name} as a number": str(int.from_bytes(seed, "big") >> 1).encode()
        for name, seed in seeds(run).items()
    }
    assert "session 2 of job" in run.log  # it was broken, and errors were logged
    assert found({**secrets, **numbers}, run.log.encode()) == []


def test_no_state_folder_keeps_a_token_or_anybodys_key(run: Run) -> None:
    for party in (COORDINATOR, *MEMBERS):
        secrets = dict(tokens(run))
        for owner in (COORDINATOR, *MEMBERS):
            secrets.update(keys_of(run, owner))
        for name, data in run.files(party).items():
            assert found(secrets, data) == [], f"{party}: {name}"


def test_a_private_seed_lies_in_one_file_of_its_owner_alone(run: Run) -> None:
    for party in (COORDINATOR, *MEMBERS):
        for name, data in run.files(party).items():
            hits = found(seeds(run), data)
            own = [f"private seed of {party}"] if name.endswith("private.seed") else []
            assert hits == own, f"{party}: {name}"


def test_every_file_of_a_state_folder_is_its_owners_alone(run: Run) -> None:
    for party in (COORDINATOR, *MEMBERS):
        jobs = run.state(party) / "jobs"
        assert jobs.stat().st_mode & 0o077 == 0
        assert (jobs / run.job.name).stat().st_mode & 0o077 == 0


def test_status_and_metrics_show_no_token_and_no_seed(run: Run) -> None:
    activities = [coordinator_activity(run.state(COORDINATOR))]
    activities += [LedgerFollower(run.state(name)).activity() for name in MEMBERS]
    for activity in activities:
        status = NodeStatus(
            party="x", role="x", pid=1, started=1.0, written=1.0, activity=activity
        )
        shown = metrics(status) + json.dumps(status.to_plain())
        assert found({**tokens(run), **seeds(run)}, shown.encode()) == []


def test_a_coordinators_folder_holds_no_user_and_no_number_of_the_parties(run: Run) -> None:
    """Its job, its progress and its own ledger are all it has."""
    names = {Path(name).name for name in run.files(COORDINATOR)}
    assert names == {"job.json", "progress.json", "ledger.jsonl", "ledger.head"}
    for data in run.files(COORDINATOR).values():
        assert b"user-0" not in data


def test_the_process_of_a_run_has_nothing_secret_in_its_arguments_or_environment(
    run: Run,
) -> None:
    now = "\n".join(f"{key}={value}" for key, value in os.environ.items()).encode()
    seen = now + b"".join(Path("/proc/self", each).read_bytes() for each in ("cmdline", "environ"))
    secrets = {**tokens(run), **seeds(run)}
    for name in (COORDINATOR, *MEMBERS):
        secrets.update(keys_of(run, name))
    assert found(secrets, seen) == []
