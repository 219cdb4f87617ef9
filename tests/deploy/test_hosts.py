"""Hosts are apart, reach each other by name, can be cut off, and leave nothing behind."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.rehearsal import hosts
from deploy.rehearsal.cable import Cable
from deploy.rehearsal.commands import run
from deploy.rehearsal.errors import OutOfTimeError, RehearsalError
from deploy.rehearsal.hosts import NAMES_FOLDER, PREFIX, Cut, Host, Network, joined_hosts
from tests.processes import runs

pytestmark = pytest.mark.usefixtures("real_hosts")
ECHO = str(Path(__file__).with_name("echo.py"))
PORT = 7777  # of echo.py
ROOT = Path(__file__).parents[2]


@contextmanager
def listening(host: Host, folder: Path) -> Iterator[None]:
    log = folder / "echo.log"
    with log.open("wb") as file:
        server = host.start([sys.executable, ECHO, "serve"], log=file)
    try:
        ends = time.monotonic() + 10
        while "listening" not in log.read_text() and time.monotonic() < ends:
            time.sleep(0.02)
        yield
    finally:
        host.kill_all()
        server.wait()


def call(host: Host, to: str, *, size: int = 1, timeout: float = 2) -> tuple[float, float] | None:
    """Seconds of one byte and of `size` bytes there and back; None if nothing answers."""
    argv = [sys.executable, ECHO, "call", to, str(size), str(timeout)]
    done = host.run(argv, timeout_s=30)
    if done.returncode != 0:
        return None
    one, many = done.stdout.split()
    return float(one), float(many)


def spaces() -> list[str]:
    """Every host's namespace on this machine."""
    lines = run(["ip", "netns", "list"]).splitlines()
    return [line.split()[0] for line in lines if line.startswith(PREFIX)]


def traces(network: Network) -> list[str]:
    own = [network.switch, *(host.namespace for host in network.hosts.values())]
    named = [space for space in own if (NAMES_FOLDER / space).exists()]
    return [*named, *(space for space in own if space in spaces())]


def test_hosts_reach_each_other_by_name_and_no_one_else(tmp_path: Path) -> None:
    with joined_hosts(["hub", "social"]) as network, listening(network["hub"], tmp_path):
        assert call(network["social"], "hub") is not None
        assert call(network["social"], network["hub"].address) is not None
        assert call(network["social"], network["hub"].full_name) is not None
        assert network["hub"].listens(PORT)
        assert not network["hub"].listens(PORT + 1)
        assert not network["social"].listens(PORT)
        assert call(network["social"], "127.0.0.1") is None, "loopbacks must be apart"
        routes = network["social"].run(["ip", "route"]).stdout
    assert "default" not in routes, "a rehearsal must reach nothing outside"


@pytest.mark.parametrize("how", list(Cut))
def test_a_cut_line_carries_nothing_until_it_is_mended(how: Cut, tmp_path: Path) -> None:
    names = ["hub", "social", "forum"]
    with joined_hosts(names) as network, listening(network["hub"], tmp_path):
        network["social"].cut(how)
        assert call(network["social"], "hub", timeout=1) is None
        assert call(network["forum"], "hub") is not None, "the others' lines hold"
        network["social"].restore()
        assert call(network["social"], "hub", timeout=5) is not None


@pytest.mark.parametrize("how", list(Cut))
def test_an_open_connection_outlives_a_short_cut(how: Cut, tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import socket, sys, time
        with socket.create_connection(("hub", 7777), timeout=20) as line:
            line.sendall(b"a"); line.recv(1)
            print("up", flush=True); sys.stdin.readline()
            line.sendall(b"b"); print(line.recv(1).decode(), flush=True)
        """
    )
    with joined_hosts(["hub", "social"]) as network, listening(network["hub"], tmp_path):
        social = network["social"]
        inside = ["ip", "netns", "exec", social.namespace, sys.executable, "-c", script]
        with subprocess.Popen(
            inside, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as held:
            assert held.stdin is not None
            assert held.stdout is not None
            assert held.stdout.readline() == "up\n"
            social.cut(how)
            held.stdin.write("go on\n")
            held.stdin.flush()
            time.sleep(1)
            social.restore()
            assert held.stdout.readline() == "b\n"


def test_a_long_thin_cable_costs_time_both_ways(tmp_path: Path) -> None:
    size = 2_000_000
    cable = Cable(rtt_ms=40, mbit_s=100)
    names = ["hub", "social"]
    with joined_hosts(names, cable=cable) as network, listening(network["hub"], tmp_path):
        call(network["social"], "hub")  # both ends learn each other's addresses
        times = call(network["social"], "hub", size=size, timeout=20)
    assert times is not None
    one, many = times
    assert 0.038 < one < 0.08
    assert many > size * 8 / 100e6, "faster than the cable"
    assert many < 3, "far slower than the cable"


def test_killing_a_host_spares_the_others_and_its_cable(tmp_path: Path) -> None:
    names = ["hub", "social", "forum"]
    sleeping = [sys.executable, "-c", "import os, time; os.fork(); time.sleep(60)"]
    with (
        joined_hosts(names, cable=Cable(rtt_ms=2)) as network,
        listening(network["hub"], tmp_path),
        (tmp_path / "log").open("wb") as log,
    ):
        process = network["social"].start(sleeping, log=log)
        staying = network["forum"].start(sleeping, log=log)
        ends = time.monotonic() + 10
        while len(network["social"].pids()) < 2 and time.monotonic() < ends:
            time.sleep(0.02)
        assert network["social"].kill_all() == 2
        assert process.wait() == -signal.SIGKILL
        assert staying.poll() is None
        assert call(network["social"], "hub") is not None
    assert staying.wait() == -signal.SIGKILL, "hosts take what runs on them along"


@pytest.fixture
def slow_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ip netns exec` takes a while, as on a busy machine."""
    real = shutil.which("ip")
    folder = tmp_path / "bin"
    folder.mkdir()
    slow = folder / "ip"
    slow.write_text(f'#!/bin/sh\n[ "$2" = exec ] && sleep 0.5\nexec {real} "$@"\n')
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.mark.usefixtures("slow_entry")
def test_a_program_is_on_its_host_as_soon_as_it_is_started(tmp_path: Path) -> None:
    with joined_hosts(["hub"]) as network, (tmp_path / "log").open("wb") as log:
        process = network["hub"].start(["sleep", "60"], log=log)
        assert network["hub"].pids() == [process.pid]
        assert network["hub"].kill_all() == 1
        assert process.wait() == -signal.SIGKILL


@pytest.mark.usefixtures("slow_entry")
def test_a_program_that_does_not_get_to_its_host_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "ENTRY_S", 0.1)
    with (
        joined_hosts(["hub"]) as network,
        (tmp_path / "log").open("wb") as log,
        pytest.raises(OutOfTimeError, match="hub: sleep did not start within"),
    ):
        network["hub"].start(["sleep", "60"], log=log)


def test_a_program_that_is_not_there_has_ended_when_started(tmp_path: Path) -> None:
    with joined_hosts(["hub"]) as network, (tmp_path / "log").open("wb") as log:
        process = network["hub"].start(["no-such-program"], log=log)
        assert process.wait(timeout=10) != 0
        assert network["hub"].pids() == []
    assert "no-such-program" in (tmp_path / "log").read_text()


def test_nothing_is_left_after_an_error() -> None:
    kept: list[Network] = []

    def fail() -> None:
        with joined_hosts(["hub", "social"]) as network:
            kept.append(network)
            assert traces(network)
            raise ValueError("a rehearsal fails")

    with pytest.raises(ValueError, match="a rehearsal fails"):
        fail()
    assert traces(kept[0]) == []


HOLDER = textwrap.dedent(
    """
    import sys, time
    from deploy.rehearsal.hosts import joined_hosts
    with joined_hosts(["hub", "social"]) as network:
        network["hub"].start(["sleep", "300"], log=open("/dev/null", "wb"))
        print(network["hub"].namespace, network.switch, flush=True)
        time.sleep(300)
    """
)


def hold() -> tuple[subprocess.Popen[str], list[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    return process, process.stdout.readline().split()


def test_a_rehearsal_that_is_asked_to_end_takes_its_hosts_along() -> None:
    process, names = hold()
    assert set(names) <= set(spaces())
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert not set(names) & set(spaces())


def test_what_a_killed_rehearsal_left_is_removed_by_the_next_one() -> None:
    process, names = hold()
    running = run(["ip", "netns", "pids", names[0]]).split()
    process.kill()
    process.communicate(timeout=20)
    assert set(names) <= set(spaces())
    with joined_hosts(["other"]) as network:
        left = set(names) - {network.switch, network["other"].namespace}
        assert not left & set(spaces())
    assert running
    assert not any(runs(int(pid)) for pid in running)


def test_two_rehearsals_do_not_meet(tmp_path: Path) -> None:
    process, names = hold()
    try:
        with joined_hosts(["hub", "social"]) as network:
            assert network["hub"].namespace not in names
            assert set(names) <= set(spaces()), "a rehearsal that runs is no leftover"
    finally:
        process.terminate()
        process.communicate(timeout=20)


@pytest.mark.parametrize("name", ["switch", "br0", "a name", "", "x" * 14, "café"])
def test_a_name_that_no_host_can_have_is_refused(name: str) -> None:
    with pytest.raises(RehearsalError, match="cannot name a host"), joined_hosts([name]):
        pass


def test_two_hosts_of_one_name_are_refused() -> None:
    with pytest.raises(RehearsalError, match="one name"), joined_hosts(["a", "a"]):
        pass


def test_a_command_that_does_not_end_is_killed() -> None:
    with joined_hosts(["hub"]) as network:
        with pytest.raises(OutOfTimeError, match="hub: sleep 60"):
            network["hub"].run(["sleep", "60"], timeout_s=0.2)
        assert network["hub"].pids() == []


def test_a_host_does_not_inherit_what_leads_to_anothers_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(os.environ, "FEDRECALL_PARTY", "/somewhere/party.toml")
    with joined_hosts(["hub"]) as network:
        shown = network["hub"].run(["env"], environment={"HOME": "/own"}).stdout
    assert "FEDRECALL_PARTY" not in shown
    assert "HOME=/own\n" in shown
