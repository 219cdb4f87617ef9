"""A node of real processes: it comes up, stays up, tells the truth of itself and ends whole."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from parties.errors import CheckpointError, KeyMismatchError, KeysError, NodeError, PartyFileError
from parties.keys import load_keys
from parties.node.activity import Activity
from parties.node.loopback import free_port
from parties.node.party_file import Experiment, PartyFile, read_party_file
from parties.node.status import is_up, read_status
from parties.node.supervisor import Reporter, programs_of, run_node, until_signalled
from parties.one_thread import ONE_THREAD
from parties.role import Role
from tests.parties.node.conftest import NodeMaker
from tests.parties.node.nodes import wait_until
from tests.processes import runs, wait_for_the_end_of

PATIENCE_S = 40.0
UP = """
import sys
from pathlib import Path
from parties.node.party_file import read_party_file
from parties.node.supervisor import run_node, until_signalled
with until_signalled() as stop:
    run_node(read_party_file(Path(sys.argv[1])), stop)
"""


@pytest.fixture
def partner(node: NodeMaker) -> PartyFile:
    """A partner whose coordinator is away."""
    ports = {name: free_port() for name in ("flower_port", "hub_port", "health")}
    file = node(Role.PARTNER, **ports)
    return read_party_file(file)


@contextmanager
def up(party: PartyFile) -> Iterator["subprocess.Popen[bytes]"]:
    """The node in a process of its own, once every process of it runs."""
    command = [sys.executable, "-c", UP, str(party.file)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: healthy(party) and party.paths.status.exists(), PATIENCE_S)
            yield process
        finally:
            process.kill()


def healthy(party: PartyFile) -> bool:
    try:
        url = f"http://127.0.0.1:{party.health_port}/healthz"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(json.load(answer)["healthy"])
    except (urllib.error.URLError, ConnectionError):
        return False


def children(party: PartyFile) -> dict[str, int]:
    status = read_status(party.paths.status)
    assert status is not None
    return {child["name"]: child["pid"] for child in status["children"]}


def log_lines(party: PartyFile) -> list[Mapping[str, Any]]:
    return [json.loads(each) for each in (party.paths.log / "node.jsonl").read_text().splitlines()]


def test_a_node_ends_with_all_its_processes_when_it_is_asked(partner: PartyFile) -> None:
    with up(partner) as process:
        assert is_up(partner.state)
        pids = children(partner)
        assert set(pids) == {"supernode", "executor"}
        assert all(runs(pid) for pid in pids.values())
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
        assert time.monotonic() - begun < 30
    assert not any(runs(pid) for pid in pids.values())
    assert not is_up(partner.state)
    assert log_lines(partner)[-1]["event"] == "node_stopped"
    status = read_status(partner.paths.status)
    assert status is not None
    assert not status["healthy"]


def test_nothing_outlives_a_node_that_is_killed(partner: PartyFile) -> None:
    with up(partner) as process:
        pids = children(partner)
        process.kill()
        process.wait()
    wait_for_the_end_of(pids.values())
    assert not is_up(partner.state)


def test_a_process_that_is_killed_is_started_again(partner: PartyFile) -> None:
    with up(partner):
        before = children(partner)
        os.kill(before["supernode"], signal.SIGKILL)
        wait_until(lambda: children(partner)["supernode"] not in (None, before["supernode"]))
        assert children(partner)["executor"] == before["executor"]
        wait_until(lambda: healthy(partner))
    ended = [line for line in log_lines(partner) if line["event"] == "child_ended"]
    assert ended[0]["child"] == "supernode"
    assert "killed by signal 9" in ended[0]["text"]


def test_a_node_that_repeats_a_simulation_calculates_on_one_thread(partner: PartyFile) -> None:
    keys = load_keys(partner.keys)
    partner.paths.flower.mkdir(parents=True, exist_ok=True)
    repeating = replace(partner, experiment=Experiment(repeatable=True))
    for program in programs_of(repeating, keys):
        assert program.environment.items() >= ONE_THREAD.items()
    for program in programs_of(partner, keys):
        assert not program.environment.keys() & ONE_THREAD.keys()


def test_no_secret_is_in_an_argument_list_an_environment_or_the_log(partner: PartyFile) -> None:
    with up(partner):
        secret = (partner.paths.flower / "executor.secret").read_bytes()
        keys = [path.read_bytes() for path in partner.keys.glob("*.key")]
        lines = [line for key in keys for line in key.splitlines()[1:-1]]
        for pid in children(partner).values():
            for name in ("cmdline", "environ"):
                shown = Path(f"/proc/{pid}/{name}").read_bytes()
                assert secret not in shown
                assert secret.hex().encode() not in shown
                assert not any(line in shown for line in lines)
        log = (partner.paths.log / "node.jsonl").read_bytes()
        assert secret not in log
        assert not any(line in log for line in lines)


def test_what_a_node_writes_is_its_owners_alone(partner: PartyFile) -> None:
    with up(partner):
        for path in partner.state.rglob("*"):
            if path.is_dir():
                assert path.stat().st_mode & 0o077 == 0, path
        for path in (*partner.paths.flower.glob("*.key"), *partner.paths.flower.glob("*.secret")):
            assert path.stat().st_mode & 0o777 == 0o600


def test_a_second_node_with_one_state_folder_is_refused(partner: PartyFile) -> None:
    with up(partner), pytest.raises(NodeError, match="runs with"):
        run_node(partner, threading.Event())


def test_a_node_stays_up_while_its_coordinator_is_away(partner: PartyFile) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=run_node, args=[partner, stop])
    thread.start()
    try:
        wait_until(lambda: healthy(partner), PATIENCE_S)
        url = f"http://127.0.0.1:{partner.health_port}/metrics"
        with urllib.request.urlopen(url, timeout=5) as answer:
            assert 'fedrecall_child_up{child="executor"} 1' in answer.read().decode()
    finally:
        stop.set()
        thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert not is_up(partner.state)


@pytest.mark.parametrize("key", ["flower_port", "hub_port"])
def test_a_port_of_the_coordinator_that_is_taken_is_refused_at_once(
    node: NodeMaker, key: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = {"flower_port": free_port(), "hub_port": free_port(), "health": free_port()}
        file = node(Role.COORDINATOR, **{**ports, key: taken.getsockname()[1]})
        with pytest.raises(NodeError, match=rf"listen\.{key}"):
            run_node(read_party_file(file), threading.Event())
    assert not is_up(file.parent / "state")


def test_another_partys_keys_are_refused(node: NodeMaker, made_keys: Path) -> None:
    file = node(Role.PARTNER)
    party = read_party_file(file)
    text = file.read_text().replace('keys = "keys"', "")
    file.write_text(f'keys = "{made_keys / "forum"}"\n' + text)
    with pytest.raises(PartyFileError, match="'forum'"):
        run_node(read_party_file(file), threading.Event())
    assert not party.state.exists()


def test_keys_that_are_not_the_rosters_are_refused(node: NodeMaker, other_keys: Path) -> None:
    party = read_party_file(node(Role.PARTNER))
    party.roster.write_bytes((other_keys / "roster.toml").read_bytes())
    with pytest.raises(KeyMismatchError):
        run_node(party, threading.Event())


def test_a_node_without_keys_does_not_start(node: NodeMaker) -> None:
    party = read_party_file(node(Role.PARTNER))
    (party.keys / "node.key").unlink()
    with pytest.raises(KeysError):
        run_node(party, threading.Event())


def test_a_status_that_cannot_be_written_is_known_all_the_same(partner: PartyFile) -> None:
    reporter = Reporter(partner, Activity)
    with pytest.raises(CheckpointError):  # there is no state folder
        reporter.report([])
    assert reporter.last.party == "social"


def test_a_signal_sets_the_event_and_the_former_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with until_signalled() as stop:
        signal.raise_signal(signal.SIGTERM)
        assert stop.is_set()
    assert signal.getsignal(signal.SIGTERM) is before
