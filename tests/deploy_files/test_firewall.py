"""The firewall files, read by nft and tried between two hosts made for the purpose."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from parties.node.party_file import FLOWER_PORT, HEALTH_PORT, HUB_PORT
from tests.deploy_files.files import DEPLOY, NODE_UID, run

FIREWALL = DEPLOY / "firewall"
COORDINATOR, SOCIAL, STRANGER = "203.0.113.10", "198.51.100.30", "198.51.100.99"
OTHER_PORT = 8080
ANYBODY = 10002  # a user of the machine that is not the node

# Drops to the user whose packets are meant, then connects once.
DIAL = """
import encodings.idna, os, socket, sys  # now: the other user may not read this machine's Python
source, target, port, user = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
os.setgid(user)
os.setuid(user)
try:
    socket.create_connection((target, port), 0.7, (source, 0)).close()
except OSError:
    sys.exit(9)
"""
LISTEN = """
import socket, sys, time
held = [socket.create_server(("0.0.0.0", int(port))) for port in sys.argv[1:]]
print("ready", flush=True)
time.sleep(60)
"""


def rules(name: str, folder: Path) -> Path:
    """A firewall file for this machine, which has no user of the node's name."""
    text = (FIREWALL / name).read_text(encoding="utf-8")
    assert 'define node = "fedrecall"\n' in text
    copy = folder / name
    copy.write_text(text.replace('"fedrecall"\n', f"{NODE_UID}\n"), encoding="utf-8")
    return copy


@pytest.mark.parametrize("name", ["coordinator.nft", "party.nft"])
def test_the_ports_are_those_of_the_settings(name: str) -> None:
    text = (FIREWALL / name).read_text(encoding="utf-8")
    assert f"define gate = {FLOWER_PORT}\n" in text
    assert f"define hub = {HUB_PORT}\n" in text


def test_a_partys_health_port_is_closed_to_other_machines() -> None:
    assert f"$hub, {HEALTH_PORT} }}" in (FIREWALL / "party.nft").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Pair:
    """Two hosts on one line, by their network namespaces."""

    coordinator: str
    party: str

    def load(self, host: str, file: Path) -> None:
        done = run(["ip", "netns", "exec", host, "nft", "-f", str(file)])
        assert done.returncode == 0, done.stderr

    def dials(self, source: str, target: str, port: int, user: int = NODE_UID) -> bool:
        """Whether `user` of the host with the address `source` reaches a port."""
        host = self.coordinator if source == COORDINATOR else self.party
        arguments = [source, target, str(port), str(user)]
        argv = ["ip", "netns", "exec", host, sys.executable, "-S", "-c", DIAL, *arguments]
        done = run(argv)
        assert done.returncode in (0, 9), done.stderr
        return done.returncode == 0


@pytest.fixture
def pair() -> Iterator[Pair]:
    if os.geteuid() != 0 or not all(map(shutil.which, ("ip", "nft"))):
        pytest.skip("needs root, iproute2 and nftables")
    hosts = Pair(*(f"fedfirewall-{os.getpid()}-{name}" for name in ("hub", "party")))
    with ExitStack() as stack:
        for host in (hosts.coordinator, hosts.party):
            if run(["ip", "netns", "add", host]).returncode:
                pytest.skip("this machine makes no network namespaces")
            stack.callback(run, ["ip", "netns", "del", host])
        join(hosts)
        for host in (hosts.coordinator, hosts.party):
            stack.callback(listen(host))
        yield hosts


def join(hosts: Pair) -> None:
    line = ["ip", "link", "add", "eth0", "netns", hosts.coordinator, "type", "veth"]
    assert run([*line, "peer", "name", "eth0", "netns", hosts.party]).returncode == 0
    addresses = {hosts.coordinator: (COORDINATOR,), hosts.party: (SOCIAL, STRANGER)}
    for host, own in addresses.items():
        other = next(others[0] for name, others in addresses.items() if name != host)
        commands = [
            *(f"address add {address}/32 dev eth0" for address in own),
            "link set eth0 up",
            "link set lo up",
            f"route add {other.rpartition('.')[0]}.0/24 dev eth0",
        ]
        for command in commands:
            done = run(["ip", "-n", host, *command.split()])
            assert done.returncode == 0, done.stderr


def listen(host: str) -> Callable[[], None]:
    """Open the ports of a node, and one more, on a host; returns what closes them."""
    ports = [str(port) for port in (FLOWER_PORT, HUB_PORT, HEALTH_PORT, OTHER_PORT)]
    argv = ["ip", "netns", "exec", host, sys.executable, "-S", "-c", LISTEN, *ports]
    server = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)

    def end() -> None:
        server.kill()
        server.communicate()

    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"
    return end


def test_without_rules_everything_is_open(pair: Pair) -> None:
    assert pair.dials(SOCIAL, COORDINATOR, OTHER_PORT)
    assert pair.dials(STRANGER, COORDINATOR, FLOWER_PORT)
    assert pair.dials(COORDINATOR, SOCIAL, HEALTH_PORT)


def test_a_partys_node_reaches_the_coordinators_two_ports_and_nothing_else(
    pair: Pair, tmp_path: Path
) -> None:
    pair.load(pair.party, rules("party.nft", tmp_path))
    assert pair.dials(SOCIAL, COORDINATOR, FLOWER_PORT)
    assert pair.dials(SOCIAL, COORDINATOR, HUB_PORT)
    assert not pair.dials(SOCIAL, COORDINATOR, OTHER_PORT)
    assert pair.dials(SOCIAL, COORDINATOR, OTHER_PORT, user=ANYBODY)


def test_nobody_reaches_a_partys_node(pair: Pair, tmp_path: Path) -> None:
    pair.load(pair.party, rules("party.nft", tmp_path))
    assert not pair.dials(COORDINATOR, SOCIAL, HEALTH_PORT)
    assert not pair.dials(COORDINATOR, SOCIAL, HUB_PORT)
    assert pair.dials(COORDINATOR, SOCIAL, OTHER_PORT)


def test_the_coordinator_is_open_to_parties_alone_and_dials_nobody(
    pair: Pair, tmp_path: Path
) -> None:
    pair.load(pair.coordinator, rules("coordinator.nft", tmp_path))
    assert pair.dials(SOCIAL, COORDINATOR, FLOWER_PORT)
    assert pair.dials(SOCIAL, COORDINATOR, HUB_PORT)
    assert not pair.dials(STRANGER, COORDINATOR, FLOWER_PORT)
    assert not pair.dials(STRANGER, COORDINATOR, HUB_PORT)
    assert not pair.dials(COORDINATOR, SOCIAL, OTHER_PORT)
    assert pair.dials(COORDINATOR, SOCIAL, OTHER_PORT, user=ANYBODY)


@pytest.mark.parametrize("name", ["coordinator.nft", "party.nft"])
def test_rules_can_be_loaded_again(pair: Pair, name: str, tmp_path: Path) -> None:
    file = rules(name, tmp_path)
    pair.load(pair.party, file)
    pair.load(pair.party, file)
    listed = run(["ip", "netns", "exec", pair.party, "nft", "list", "ruleset"]).stdout
    assert listed.count("table inet fedrecall") == 1
    assert listed.count("chain node {") == 1
