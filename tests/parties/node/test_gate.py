"""The gate in front of a real SuperLink: what it lets through, and that it lets nothing else."""

import datetime as dt
import json
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.proto.fleet_pb2 import ActivateNodeRequest, ActivateNodeResponse

from federation.exchange.flower_control import Control
from parties.keys.certificates import key_pin
from parties.keys.fingerprint import grouped
from parties.keys.roster import read_roster
from parties.node.gate_lines import GateLimits
from parties.node.loopback import free_port
from parties.node.programs import NodePlace
from tests.federation.exchange.flower_network import place, superlink_at, until
from tests.parties.node.gates import (
    ACTIVATE,
    HEARTBEAT,
    OpenGate,
    node_key_of,
    open_gate,
    public_pem,
    signed_headers,
)

SMALL = GateLimits(body_bytes=10_000, body_s=1.0, idle_s=1.0, connections=6, answer_s=5.0)


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[NodePlace, Control]]:
    folder = tmp_path_factory.mktemp("superlink")
    here = place(folder, "coordinator")
    with superlink_at(here, folder) as control:
        yield here, control


@pytest.fixture(scope="module")
def gate(behind: tuple[NodePlace, Control], made_keys: Path) -> Iterator[OpenGate]:
    here, control = behind
    control.enrol(read_roster(made_keys / "roster.toml").nodes())
    with open_gate(made_keys, here.address, here.files.certificate, SMALL) as opened:
        yield opened


def activation(key: ec.EllipticCurvePrivateKey) -> bytes:
    request = ActivateNodeRequest(public_key=public_pem(key), heartbeat_interval=30)
    data: bytes = request.SerializeToString()
    return data


@pytest.fixture
def social(made_keys: Path) -> ec.EllipticCurvePrivateKey:
    return node_key_of(made_keys / "social")


def test_a_node_of_the_roster_reaches_flowers_server(
    gate: OpenGate, made_keys: Path, behind: tuple[NodePlace, Control]
) -> None:
    key = node_key_of(made_keys / "forum")
    answer = gate.post(ACTIVATE, signed_headers(key), activation(key))
    assert answer.status_code == 200
    numbers = behind[1].enrol(read_roster(made_keys / "roster.toml").nodes())
    assert ActivateNodeResponse.FromString(answer.content).node_id == numbers["forum"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/control/start-run",
        "/v1/control/list-runs",
        "/v1/control/register-node",
        "/v1/runtime/acquire-task",
        "/v1/runtime/pull-task-input",
        "/v1/fleet/register-node",
        "/v1/fleet/unregister-node",
        "/v1/fleet/",
        "/v1/fleet/../control/list-runs",
        "/v1/fleet/%2e%2e/control/list-runs",
        "/v1/fleet/pull-messages/../../control/list-runs",
        "//v1/control/list-runs",
        "/V1/FLEET/pull-messages",
        "/docs",
        "/openapi.json",
        "/",
    ],
)
def test_nothing_but_a_supernodes_calls_is_let_through(
    gate: OpenGate, social: ec.EllipticCurvePrivateKey, path: str
) -> None:
    # Written by hand: a client would tidy the path up.
    headers = "".join(f"{name}: {value}\r\n" for name, value in signed_headers(social).items())
    request = f"POST {path} HTTP/1.1\r\nHost: gate\r\n{headers}Content-Length: 0\r\n\r\n"
    assert exchange(gate, request.encode()).startswith(b"HTTP/1.1 404 ")
    line = gate.lines.about(f"POST {unquote(path)} ")
    assert line["event"] == "gate_refused"
    assert line["address"] == "127.0.0.1"


def test_what_the_gate_keeps_from_parties_is_there_on_loopback(
    behind: tuple[NodePlace, Control],
) -> None:
    here, _ = behind
    trust = ssl.create_default_context(cafile=here.files.certificate)
    for path in ("/v1/control/list-runs", "/v1/runtime/acquire-task", "/v1/fleet/register-node"):
        answer = httpx.post(f"https://{here.address}{path}", verify=trust)
        assert answer.status_code not in (404, 405)


def test_only_post_reaches_the_fleet_api(
    gate: OpenGate, social: ec.EllipticCurvePrivateKey
) -> None:
    for method in ("GET", "PUT", "DELETE", "OPTIONS"):
        answer = gate.client.request(method, ACTIVATE, headers=signed_headers(social))
        assert answer.status_code == 404


def test_a_key_that_is_not_on_the_roster_is_refused_with_its_fingerprint(gate: OpenGate) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    answer = gate.post(ACTIVATE, signed_headers(key), activation(key))
    shown = grouped(key_pin(key.public_key()))
    assert answer.status_code == 400  # a SuperNode prints the reason of this one
    assert shown in answer.json()["detail"]
    assert "roster" in answer.json()["detail"]
    line = gate.lines.about(shown)
    assert line["address"] == "127.0.0.1"


def test_the_right_key_under_another_name_is_refused(
    gate: OpenGate, social: ec.EllipticCurvePrivateKey
) -> None:
    impostor = ec.generate_private_key(ec.SECP384R1())
    headers = signed_headers(impostor, claim=public_pem(social))
    answer = gate.post(ACTIVATE, headers, activation(social))
    assert answer.status_code == 400
    assert gate.lines.about("not signed")["peer"] == "social"


@pytest.mark.parametrize(
    ("hours", "side"), [(-1, "behind"), (1, "ahead of")], ids=["behind", "ahead"]
)
def test_a_clock_off_by_an_hour_is_named_with_its_party(
    gate: OpenGate, social: ec.EllipticCurvePrivateKey, hours: int, side: str
) -> None:
    then = dt.datetime.now(dt.UTC) + dt.timedelta(hours=hours)
    answer = gate.post(ACTIVATE, signed_headers(social, at=then), activation(social))
    assert answer.status_code == 400
    detail = answer.json()["detail"]
    assert "social" in detail
    assert side in detail
    assert "NTP" in detail
    assert gate.lines.about(side)["peer"] == "social"


def test_a_clock_that_begins_to_differ_makes_the_node_end_and_start_anew(
    gate: OpenGate, social: ec.EllipticCurvePrivateKey
) -> None:
    then = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    assert gate.post(HEARTBEAT, signed_headers(social, at=then)).status_code == 401


@pytest.mark.parametrize("missing", ["flwr-public-key", "flwr-signature", "flwr-timestamp"])
def test_a_call_without_its_proof_is_refused(
    gate: OpenGate, social: ec.EllipticCurvePrivateKey, missing: str
) -> None:
    headers = signed_headers(social)
    del headers[missing]
    assert gate.post(ACTIVATE, headers).status_code in (400, 403)


@pytest.mark.parametrize("value", ["", "!", "A" * 5000, "bm8ga2V5"])
def test_what_is_no_key_is_refused(
    gate: OpenGate, social: ec.EllipticCurvePrivateKey, value: str
) -> None:
    headers = signed_headers(social) | {"flwr-public-key": value}
    assert gate.post(ACTIVATE, headers).status_code in (400, 403)


@pytest.mark.parametrize("value", ["", "yesterday", "2026-01-01T00:00:00"])
def test_what_is_no_time_is_refused(gate: OpenGate, made_keys: Path, value: str) -> None:
    key = node_key_of(made_keys / "social")
    headers = signed_headers(key) | {"flwr-timestamp": value}
    assert gate.post(ACTIVATE, headers).status_code == 400


def test_too_long_a_body_is_refused(gate: OpenGate, social: ec.EllipticCurvePrivateKey) -> None:
    answer = gate.post(HEARTBEAT, signed_headers(social), b"x" * (SMALL.body_bytes + 1))
    assert answer.status_code == 413
    assert gate.lines.about("more than")["peer"] == "social"


def test_a_body_that_never_ends_is_given_up(
    gate: OpenGate, social: ec.EllipticCurvePrivateKey
) -> None:
    headers = "".join(f"{name}: {value}\r\n" for name, value in signed_headers(social).items())
    request = f"POST {HEARTBEAT} HTTP/1.1\r\nHost: gate\r\n{headers}Content-Length: 900\r\n\r\nx"
    assert exchange(gate, request.encode()).startswith(b"HTTP/1.1 408 ")
    assert gate.lines.about("takes longer")["peer"] == "social"


def test_a_silent_connection_is_closed_and_does_not_shut_out_others(
    gate: OpenGate, social: ec.EllipticCurvePrivateKey
) -> None:
    begun = time.monotonic()
    assert exchange(gate, b"POST / HTTP/1.1\r\nX: ") == b""
    assert 0.5 < time.monotonic() - begun < 5
    answer = gate.post(ACTIVATE, signed_headers(social), activation(social))
    assert answer.status_code in (200, 412)  # Flower's own for a node that is active already


def test_one_address_may_not_hold_every_connection(
    made_keys: Path, behind: tuple[NodePlace, Control]
) -> None:
    here, _ = behind
    patient = replace(SMALL, idle_s=60.0)
    with (
        open_gate(made_keys, here.address, here.files.certificate, patient) as busy,
        ExitStack() as held,
    ):
        busy.client.close()  # it holds one itself
        closed = [shut_at_once(held.enter_context(connected(busy))) for _ in range(9)]
    assert closed == [False] * 6 + [True] * 3


@contextmanager
def connected(gate: OpenGate) -> Iterator[ssl.SSLSocket | None]:
    """A TLS connection; None if the gate closes it at once."""
    plain = socket.create_connection(("127.0.0.1", gate.port), timeout=5)
    try:
        secured = gate.trust.wrap_socket(plain, server_hostname="coordinator")
    except OSError:
        plain.close()
        yield None
        return
    with secured:
        yield secured


def shut_at_once(line: ssl.SSLSocket | None) -> bool:
    if line is None:
        return True
    line.settimeout(0.3)
    try:
        return line.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_a_flood_from_one_address_is_logged_once_a_minute(gate: OpenGate) -> None:
    with httpx.Client(base_url=str(gate.client.base_url), verify=gate.trust) as client:
        until(lambda: client.get("/v1/health").is_success)
        for _ in range(20):
            client.get("/flood")
    said = [line for line in gate.lines.written if "/flood" in str(line["text"])]
    assert len(said) == 1


def test_the_gate_tells_the_time_to_anyone_who_asks(gate: OpenGate) -> None:
    with httpx.Client(base_url=str(gate.client.base_url), verify=gate.trust) as client:
        answer = client.get("/v1/health")
    told = parsedate_to_datetime(answer.headers["date"])
    assert abs((dt.datetime.now(dt.UTC) - told).total_seconds()) < 5
    assert answer.content == b""
    assert "server" not in answer.headers


def test_a_server_that_is_away_is_worth_another_try(
    made_keys: Path, behind: tuple[NodePlace, Control], social: ec.EllipticCurvePrivateKey
) -> None:
    here, _ = behind
    nowhere = f"127.0.0.1:{free_port()}"
    with open_gate(made_keys, nowhere, here.files.certificate, SMALL) as lonely:
        answer = lonely.post(HEARTBEAT, signed_headers(social))
        assert answer.status_code == 503  # which a SuperNode tries again
        assert lonely.lines.about("does not answer")["peer"] == "social"


def test_what_flowers_server_refuses_is_logged_with_the_party(
    gate: OpenGate, social: ec.EllipticCurvePrivateKey
) -> None:
    with httpx.Client(base_url=str(gate.client.base_url), verify=gate.trust) as client:
        headers = signed_headers(social)
        answer = client.post("/v1/fleet/get-run", headers=headers, content=b"\xff\xff")
    assert answer.is_error
    assert gate.lines.about("/v1/fleet/get-run of social")["peer"] == "social"


def exchange(gate: OpenGate, request: bytes) -> bytes:
    """Send bytes as they are; returns what comes back until the gate closes or is silent."""
    plain = socket.create_connection(("127.0.0.1", gate.port), timeout=10)
    with gate.trust.wrap_socket(plain, server_hostname="coordinator") as secured:
        secured.sendall(request)
        try:
            return secured.recv(4096)
        except (ConnectionResetError, ssl.SSLError):
            return b""


def test_one_identity_at_two_addresses_is_noticed(
    gate: OpenGate, social: ec.EllipticCurvePrivateKey
) -> None:
    for address in ("127.0.0.1", "127.0.0.2"):
        transport = httpx.HTTPTransport(verify=gate.trust, local_address=address)
        with httpx.Client(base_url=str(gate.client.base_url), transport=transport) as client:
            client.post(ACTIVATE, headers=signed_headers(social), content=activation(social))
    line = gate.lines.about("in use twice")
    assert line["peer"] == "social"
    assert "127.0.0.1" in str(line["text"])
    assert line["address"] == "127.0.0.2"


def test_the_gates_own_process_serves_until_it_is_asked_to_end(
    made_keys: Path, behind: tuple[NodePlace, Control]
) -> None:
    here, _ = behind
    port = free_port()
    keys = made_keys / "coordinator"
    command = [sys.executable, "-m", "parties.node.gate", "--upstream", here.address]
    command += ["--authority", str(here.files.certificate), "--keys", str(keys)]
    command += ["--roster", str(made_keys / "roster.toml"), "--host", "127.0.0.1"]
    trust = ssl.create_default_context(cafile=keys / "authority.crt")

    def serves() -> bool:
        try:
            return httpx.get(f"https://127.0.0.1:{port}/v1/health", verify=trust).is_success
        except httpx.TransportError:
            return False

    with subprocess.Popen([*command, "--port", str(port)], stdout=subprocess.PIPE) as process:
        try:
            until(serves)
            process.terminate()
            assert process.wait(20) in (0, -signal.SIGTERM)
        finally:
            process.kill()
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
    assert first["event"] == "gate_open"
    assert first["text"] == f"open at 127.0.0.1:{port}"
