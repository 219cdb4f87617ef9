"""/healthz and /metrics on loopback."""

import json
import re
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace

import pytest

from parties.errors import NodeError
from parties.node.activity import Activity
from parties.node.children import ChildState, ChildStatus
from parties.node.health import health_server, metrics
from parties.node.status import NodeStatus

GATE = ChildStatus(name="gate", state=ChildState.RUNNING, pid=7, restarts=2, since=1.0, code=None)
STATUS = NodeStatus(
    party="coordinator",
    role="coordinator",
    pid=6,
    started=1795369017.25,
    written=1795369018.0,
    children=(GATE,),
    activity=Activity(
        job="00ff",
        status="running",
        session=3,
        stage="training",
        step=41,
        last=1795369017.5,
        sent={"item backward": 1 << 40, "forward": 5},
        missing=("social",),
    ),
)
ILL = replace(STATUS, children=(replace(GATE, state=ChildState.WAITING, pid=None),))


class Node:
    def __init__(self) -> None:
        self.status = STATUS


@pytest.fixture
def served() -> Iterator[tuple[Node, str]]:
    node = Node()
    with health_server(0, lambda: node.status) as port:
        yield node, f"http://127.0.0.1:{port}"


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - on loopback
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_node_whose_processes_run_is_healthy(served: tuple[Node, str]) -> None:
    code, text = get(f"{served[1]}/healthz")
    assert code == 200
    assert json.loads(text)["processes"] == {"gate": "running"}


def test_a_node_whose_process_waits_to_be_started_is_not(served: tuple[Node, str]) -> None:
    served[0].status = ILL
    code, text = get(f"{served[1]}/healthz")
    assert code == 503
    assert json.loads(text)["healthy"] is False


def test_metrics_follow_the_status(served: tuple[Node, str]) -> None:
    code, text = get(f"{served[1]}/metrics")
    assert code == 200
    lines = text.splitlines()
    assert "fedrecall_up 1" in lines
    assert 'fedrecall_child_up{child="gate"} 1' in lines
    assert 'fedrecall_child_restarts_total{child="gate"} 2' in lines
    assert "fedrecall_session 3" in lines
    assert "fedrecall_step 41" in lines
    assert "fedrecall_last_progress_seconds 1795369017.5" in lines
    assert f'fedrecall_sent_bytes_total{{peer="item",stage="backward"}} {1 << 40}' in lines
    assert 'fedrecall_sent_bytes_total{stage="forward"} 5' in lines
    assert 'fedrecall_waited_for{peer="social"} 1' in lines


def test_metrics_are_in_prometheus_text_format() -> None:
    sample = re.compile(r'fedrecall_\w+(\{\w+="[^"\\]*"(,\w+="[^"\\]*")*\})? [0-9.e+]+')
    told: set[str] = set()
    for line in metrics(ILL).splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:]
            assert kind in ("gauge", "counter")
            assert name not in told
            told.add(name)
        elif not line.startswith("# HELP "):
            assert sample.fullmatch(line), line
            assert line.split("{")[0].split()[0] in told


def test_nothing_else_is_there(served: tuple[Node, str]) -> None:
    assert get(f"{served[1]}/")[0] == 404
    assert get(f"{served[1]}/status.json")[0] == 404


def test_only_this_machine_can_ask(served: tuple[Node, str]) -> None:
    port = int(served[1].rpartition(":")[2])
    with socket.socket() as other:
        other.bind(("127.0.0.2", port))  # so the server does not listen on every address


def test_a_port_that_is_taken_is_refused_with_the_key_to_change() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(NodeError, match=r"health\.port"),
        health_server(taken.getsockname()[1], lambda: STATUS),
    ):
        pytest.fail("it serves on a port that is taken")
