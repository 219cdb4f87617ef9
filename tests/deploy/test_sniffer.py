"""A capture holds all that crosses the switch, and a control proves that it would be found."""

import shutil
import sys
import time
from pathlib import Path

import pytest

from deploy.rehearsal.errors import CaptureError
from deploy.rehearsal.finder import Finder, Kind, Needle
from deploy.rehearsal.hosts import BRIDGE, joined_hosts
from deploy.rehearsal.sniffer import capturing
from deploy.rehearsal.wire import read_wire

pytestmark = [
    pytest.mark.usefixtures("real_hosts"),
    pytest.mark.skipif(shutil.which("dumpcap") is None, reason="dumpcap is missing (tshark)"),
]
SERVE = """
import socket
server = socket.create_server(("0.0.0.0", 7))
print("listening", flush=True)
line, _ = server.accept()
while line.recv(65536):
    pass
"""
SEND = """
import socket
with socket.create_connection(("hub", 7), timeout=10) as line:
    line.sendall(bytes(3_000_000) + b"listener:1234" + bytes(100_000))
"""


def test_what_two_hosts_say_is_captured_whole_and_searched(tmp_path: Path) -> None:
    path, log = tmp_path / "wire.pcap", tmp_path / "hub.log"
    with joined_hosts(["hub", "social"]) as network, capturing(network.switch, BRIDGE, path):
        with log.open("wb") as file:
            server = network["hub"].start([sys.executable, "-c", SERVE], log=file)
        ends = time.monotonic() + 10
        while "listening" not in log.read_text() and time.monotonic() < ends:
            time.sleep(0.02)
        assert network["social"].run([sys.executable, "-c", SEND]).returncode == 0
        assert server.wait(10) == 0
    wire = read_wire(path)
    assert wire.missing == 0
    assert wire.carried == 3_100_013
    finder = Finder([Needle(Kind.IDENTIFIER, b"listener:1234")])
    assert [at for stream in wire.streams for _, at in finder.find(stream.data)] == [3_000_000]


def test_a_device_that_is_not_there_is_said(tmp_path: Path) -> None:
    with (
        joined_hosts(["hub"]) as network,
        pytest.raises(CaptureError, match="did not start"),
        capturing(network.switch, "nothing0", tmp_path / "none.pcap"),
    ):
        pass
