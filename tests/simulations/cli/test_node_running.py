"""`fedrecall node up`, `run`, `status` and `stop`, as people type them."""

import json
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from parties.config import RunConfig
from parties.keys import make_federation_keys
from parties.node.jobs import new_job
from parties.node.loopback import free_port
from simulations.cli.program import run
from tests.parties.node.files import COORDINATOR, PARTNER, with_ports, write
from tests.simulations.cli.program import PROGRAM, start, wait_until

Typist = Callable[..., "Said"]
PARTIES = ["item", "social", "forum"]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys") / "made"
    make_federation_keys(folder, ["social", "forum"])
    return folder


def node_folder(folder: Path, keys: Path, name: str, text: str) -> Path:
    """A node's folder with its keys, its roster and free ports."""
    folder.mkdir()
    shutil.copytree(keys / name, folder / "keys")
    shutil.copy(keys / "roster.toml", folder)
    ports = {port: free_port() for port in ("flower_port", "hub_port", "health")}
    write(folder, with_ports(text, ports))
    return folder


@pytest.fixture
def down(tmp_path: Path, keys: Path) -> Path:
    """A coordinator whose node is not up."""
    return node_folder(tmp_path / "coordinator", keys, "coordinator", COORDINATOR)


@pytest.fixture(scope="module")
def coordinator(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Iterator[Path]:
    """A coordinator whose node is up; its parties are away."""
    folder = tmp_path_factory.mktemp("up") / "coordinator"
    node_folder(folder, keys, "coordinator", COORDINATOR)
    with (folder / "said").open("w") as said:
        process = subprocess.Popen([PROGRAM, "node", "up", folder], stdout=said, stderr=said)
        try:
            wait_until(lambda: registered(folder))
            yield folder
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0


@dataclass(frozen=True, slots=True)
class Said:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def type_in(capsys: pytest.CaptureFixture[str]) -> Typist:
    """Types a command into this process: loading the program takes seconds each time."""

    def type_command(*arguments: str | Path) -> Said:
        capsys.readouterr()
        code = run([str(each) for each in arguments])
        return Said(code, *capsys.readouterr())

    return type_command


def registered(folder: Path) -> bool:
    log = folder / "state" / "log" / "node.jsonl"
    return log.exists() and '"nodes_registered"' in log.read_text()


def status_of(folder: Path, type_in: Typist) -> tuple[int, dict[str, Any]]:
    done = type_in("node", "status", folder, "--json")
    return done.returncode, json.loads(done.stdout)


def test_a_coordinator_runs_all_its_processes(coordinator: Path, type_in: Typist) -> None:
    wait_until(lambda: status_of(coordinator, type_in)[0] == 0)
    code, page = status_of(coordinator, type_in)
    assert code == 0
    assert page["up"]
    names = [child["name"] for child in page["status"]["children"]]
    assert names == ["superlink", "gate", "executor", "steward"]
    shown = type_in("node", "status", coordinator)
    assert shown.returncode == 0
    assert "coordinator (coordinator): up" in shown.stdout
    assert "gate       running" in shown.stdout


def test_flowers_server_is_not_reached_on_the_public_port(coordinator: Path) -> None:
    (line,) = [
        json.loads(each)
        for each in (coordinator / "state" / "log" / "node.jsonl").read_text().splitlines()
        if '"gate_open"' in each
    ]
    address = line["text"].split()[-1]
    url = f"https://{address}/v1/control/list-runs"
    authority = str(coordinator / "keys" / "authority.crt")
    curl = ["curl", "--silent", "--cacert", authority, "--connect-to", "::", url]
    curl += ["--request", "POST", "--output", "/dev/null", "--write-out", "%{http_code}"]
    assert subprocess.run(curl, capture_output=True, text=True, check=True).stdout == "404"


def test_a_job_is_begun_followed_and_stopped(coordinator: Path, type_in: Typist) -> None:
    begun = type_in(
        "node",
        "run",
        coordinator,
        "--set",
        "seed=7",
        "--set=training.epochs=1",
        "--detach",
        "--json",
    )
    assert begun.returncode == 0, begun.stderr
    job = json.loads(begun.stdout)
    assert job["status"] == "waiting"
    settings = json.loads((Path(job["folder"]) / "job.json").read_text())["settings"]
    assert settings["seed"] == 7
    assert settings["training"]["epochs"] == 1

    another = type_in("node", "run", coordinator)
    assert another.returncode == 1
    assert job["job"] in another.stderr
    assert "fedrecall node stop" in another.stderr

    wait_until(
        lambda: status_of(coordinator, type_in)[1]["status"]["activity"]["missing"] == PARTIES
    )
    shown = type_in("node", "status", coordinator).stdout
    assert "waits for item, social, forum" in shown

    stopped = type_in("node", "stop", coordinator)
    assert stopped.returncode == 0, stopped.stderr
    assert f"job {job['job']} is stopped" in stopped.stdout
    assert type_in("node", "stop", coordinator).returncode == 1


def test_a_job_that_is_followed_ends_with_its_summary(coordinator: Path, type_in: Typist) -> None:
    follower = start("node", "run", coordinator)
    jobs = coordinator / "state" / "jobs"
    before = set(jobs.glob("*/job.json"))
    wait_until(lambda: set(jobs.glob("*/job.json")) != before or follower.poll() is not None)
    assert type_in("node", "stop", coordinator).returncode == 0
    out, error = follower.communicate(timeout=60)
    assert follower.returncode == 1
    assert "is stopped: stopped by the coordinator's operator" in out
    assert "waiting" in error


def test_a_second_node_in_the_same_folder_is_refused(coordinator: Path, type_in: Typist) -> None:
    done = type_in("node", "up", coordinator)
    assert done.returncode == 1
    assert "runs with" in done.stderr


def test_a_run_needs_the_coordinators_node(down: Path, type_in: Typist) -> None:
    done = type_in("node", "run", down)
    assert done.returncode == 1
    assert f"fedrecall node up {down / 'party.toml'}" in done.stderr
    assert not (down / "state").exists()


def test_a_setting_that_is_not_known_is_refused(down: Path, type_in: Typist) -> None:
    done = type_in("node", "run", down, "--set", "training.epoch=3")
    assert done.returncode == 2
    assert "training.epochs" in done.stderr


def test_there_may_be_nothing_to_stop(down: Path, type_in: Typist) -> None:
    done = type_in("node", "stop", down)
    assert done.returncode == 1
    assert "no job is on" in done.stderr


def test_a_job_is_stopped_before_its_node_is_up_again(down: Path, type_in: Typist) -> None:
    job = new_job(down / "state", RunConfig())
    done = type_in("node", "stop", down)
    assert done.returncode == 0
    assert "as soon as the coordinator's node is up again" in done.stdout
    assert job.stop_asked


def test_a_node_that_never_ran_says_how_to_start_it(down: Path, type_in: Typist) -> None:
    code, page = status_of(down, type_in)
    assert (code, page["up"], page["status"]) == (1, False, None)
    shown = type_in("node", "status", down)
    assert shown.returncode == 1
    assert "fedrecall node up" in shown.stdout


@pytest.mark.parametrize("command", ["run", "stop"])
def test_runs_are_begun_and_stopped_at_the_coordinator_alone(
    tmp_path: Path, keys: Path, command: str, type_in: Typist
) -> None:
    partner = node_folder(tmp_path / "social", keys, "social", PARTNER)
    done = type_in("node", command, partner)
    assert done.returncode == 1
    assert "'social'" in done.stderr
    assert "at the coordinator" in done.stderr or "coordinator" in done.stderr


@pytest.mark.parametrize("command", ["up", "run", "status", "stop"])
def test_a_folder_without_a_party_file_is_named(
    tmp_path: Path, command: str, type_in: Typist
) -> None:
    done = type_in("node", command, tmp_path)
    assert done.returncode == 1
    assert "party.toml" in done.stderr
