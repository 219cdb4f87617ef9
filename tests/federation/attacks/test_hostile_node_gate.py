"""Strangers and hostile partners at the gate: what of theirs reaches Flower's server, or a log."""

import datetime as dt
import http.server
import io
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.proto.fleet_pb2 import PullMessagesRequest, PushMessagesRequest
from flwr.proto.message_pb2 import Message, Metadata
from flwr.proto.node_pb2 import Node
from flwr.supernode.fleet_http_client import FleetHttpClient
from google.protobuf.message import Message as Proto  # type: ignore[import-untyped]  # it has none

from parties.keys import make_federation_keys
from parties.node.gate import FLEET_CALLS
from parties.node.gate_lines import GateLimits
from parties.node.logs import FILE, Level, LogConfig, NodeLog
from parties.node.loopback import LoopbackFiles, make_loopback_files
from tests.parties.node.gates import (
    HEARTBEAT,
    OpenGate,
    node_key_of,
    open_gate,
    public_pem,
    signed_headers,
)
from tests.parties.node.servers import TlsServer, saying, serving

LIMITS = GateLimits(body_bytes=10_000, body_s=2.0, idle_s=5.0, connections=64, answer_s=5.0)
ALLOWED = frozenset(f"/v1/fleet/{call}" for call in FLEET_CALLS)
PUSH = "/v1/fleet/push-messages"


@dataclass
class Behind:
    """A server in Flower's place, which writes down what reaches it."""

    port: int
    files: LoopbackFiles
    seen: list[tuple[str, str, bytes]] = field(default_factory=list)
    headers: list[Mapping[str, list[str]]] = field(default_factory=list)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("federation") / "keys"
    make_federation_keys(folder, ["social", "forum"])
    return folder


@pytest.fixture(scope="module")
def social(keys: Path) -> ec.EllipticCurvePrivateKey:
    return node_key_of(keys / "social")


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    files = make_loopback_files(tmp_path_factory.mktemp("behind"))
    with upstream(files) as running:
        yield running


@contextmanager
def upstream(files: LoopbackFiles) -> Iterator[Behind]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _note(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            running.seen.append((self.command, self.path, body))
            names = [name.lower() for name in self.headers]
            running.headers.append({name: self.headers.get_all(name, []) for name in names})
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_CONNECT = _note

        def log_message(self, *arguments: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    running = Behind(server.server_address[1], files)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def gate(keys: Path, behind: Behind) -> Iterator[OpenGate]:
    behind.seen.clear()
    behind.headers.clear()
    address = f"127.0.0.1:{behind.port}"
    with open_gate(keys, address, behind.files.certificate, LIMITS) as opened:
        yield opened


def raw(gate: OpenGate, request: bytes) -> bytes:
    """Send bytes as they are; returns all that comes back until the gate is silent."""
    plain = socket.create_connection(("127.0.0.1", gate.port), timeout=5)
    answer = bytearray()
    with gate.trust.wrap_socket(plain, server_hostname="coordinator") as line:
        line.settimeout(0.5)
        try:
            line.sendall(request)
            while data := line.recv(65536):
                answer += data
        except OSError:
            pass
    return bytes(answer)


def lines(headers: Mapping[str, str]) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()


def proof(key: ec.EllipticCurvePrivateKey) -> bytes:
    return lines(signed_headers(key))


HIDDEN = b"POST /v1/control/list-runs HTTP/1.1\r\nHost: g\r\nContent-Length: 0\r\n\r\n"
START = b"POST /v1/fleet/pull-messages HTTP/1.1\r\nHost: g\r\n%b"
SMUGGLED: Mapping[str, bytes] = {
    "a second request behind": START + b"Content-Length: 0\r\n\r\n" + HIDDEN,
    "length and chunks": START
    + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (len(HIDDEN) + 5)
    + HIDDEN,
    "chunks and length": START
    + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n"
    + HIDDEN,
    "chunks spelt oddly": START
    + b"Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n"
    + HIDDEN,
    "chunks named twice": START
    + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"
    + HIDDEN,
    "a name with a blank": START + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a line that goes on": START + b"X: a\r\n Content-Length: 0\r\n\r\n" + HIDDEN,
    "two lengths": START + b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n" + HIDDEN,
    "a length with a sign": START + b"Content-Length: +0\r\n\r\n" + HIDDEN,
    "a chunk with an extension": START
    + b"Transfer-Encoding: chunked\r\n\r\n0;a=\n\r\n\r\n"
    + HIDDEN,
    "a chunk of a huge size": START + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    "bare line feeds": START.replace(b"\r\n", b"\n") + b"\n" + HIDDEN,
    "an upgrade to HTTP/2": START
    + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    + b"Content-Length: 0\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    + HIDDEN,
    "a WebSocket": START.replace(b"POST", b"GET")
    + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eHh4\r\n\r\n"
    + HIDDEN,
    "an absolute target": b"POST https://g/v1/control/list-runs HTTP/1.1\r\nHost: g\r\n%b\r\n",
    "a path in the host": b"POST /v1/control/list-runs HTTP/1.1\r\n"
    b"Host: g/v1/fleet/pull-messages?\r\n%bContent-Length: 0\r\n\r\n",
    "a tunnel": b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: g\r\n%b\r\n",
    "a null in the path": b"POST /v1/fleet/pull-messages%%00 HTTP/1.1\r\nHost: g\r\n%b\r\n",
    "a line in the path": b"POST /v1/fleet/pull-messages%%0d%%0aX:1 HTTP/1.1\r\nHost: g\r\n%b\r\n",
    "a backslash": b"POST /v1/fleet\\..\\control\\list-runs HTTP/1.1\r\nHost: g\r\n%b\r\n",
    "a parameter": b"POST /v1/fleet/pull-messages;/../../control HTTP/1.1\r\nHost: g\r\n%b\r\n",
    "headers of a megabyte": START + b"X: " + b"a" * 2**20 + b"\r\n\r\n" + HIDDEN,
    "headers by the thousand": START + b"X: a\r\n" * 20_000 + b"\r\n" + HIDDEN,
}


@pytest.mark.parametrize("trick", SMUGGLED)
def test_nothing_but_a_signed_fleet_call_ever_reaches_flowers_server(
    gate: OpenGate, behind: Behind, social: ec.EllipticCurvePrivateKey, trick: str
) -> None:
    raw(gate, SMUGGLED[trick].replace(b"%b", proof(social)).replace(b"%%", b"%"))
    assert {(method, path) for method, path, _ in behind.seen} <= {
        ("POST", path) for path in ALLOWED
    }
    assert all(HIDDEN not in body for _, _, body in behind.seen)
    gate.client.get("/v1/health").raise_for_status()


def test_what_a_party_says_of_itself_in_headers_is_not_passed_on(
    gate: OpenGate, behind: Behind, social: ec.EllipticCurvePrivateKey
) -> None:
    extra = {
        "x-forwarded-for": "127.0.0.1",
        "forwarded": "for=127.0.0.1",
        "authorization": "Bearer x",
        "cookie": "a=b",
        "x-flwr-account": "root",
    }
    gate.post(HEARTBEAT, {**signed_headers(social), **extra})
    (headers,) = behind.headers
    assert not extra.keys() & headers.keys()


def test_a_second_proof_behind_the_first_is_refused(
    gate: OpenGate,
    behind: Behind,
    social: ec.EllipticCurvePrivateKey,
) -> None:
    """The gate would check the one and pass on the other."""
    stranger = ec.generate_private_key(ec.SECP384R1())
    both = proof(social) + proof(stranger)
    answer = raw(
        gate, b"POST " + HEARTBEAT.encode() + b" HTTP/1.1\r\nHost: g\r\n" + both + b"\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert behind.seen == []


def test_a_recorded_call_is_worth_nothing_once_its_time_is_over(
    gate: OpenGate, behind: Behind, social: ec.EllipticCurvePrivateKey
) -> None:
    """Within five minutes it can be repeated, with any body, by whoever could open its TLS."""
    recorded = signed_headers(social, at=dt.datetime.now(dt.UTC) - dt.timedelta(seconds=240))
    assert gate.post(HEARTBEAT, recorded, b"another body").status_code == 200
    recorded = signed_headers(social, at=dt.datetime.now(dt.UTC) - dt.timedelta(seconds=310))
    assert gate.post(HEARTBEAT, recorded).status_code == 401
    assert len(behind.seen) == 1


def test_a_proof_of_one_party_is_none_for_another(
    gate: OpenGate, behind: Behind, keys: Path, social: ec.EllipticCurvePrivateKey
) -> None:
    other = public_pem(node_key_of(keys / "forum"))
    assert gate.post(HEARTBEAT, signed_headers(social, claim=other)).status_code == 401
    assert behind.seen == []


# --- what a partner pushes ---


def pushed(*, source: int, answers: str, node: int = 7) -> bytes:
    metadata = Metadata(run_id=3, src_node_id=source, dst_node_id=9, reply_to_message_id=answers)
    request: Proto = PushMessagesRequest(
        node=Node(node_id=node), messages_list=[Message(metadata=metadata)]
    )
    data: bytes = request.SerializeToString()
    return data


@pytest.mark.parametrize(
    "body",
    [
        pushed(source=1, answers=""),  # as if the coordinator's server ordered it
        pushed(source=7, answers=""),
        pushed(source=9, answers="an order to another party"),
        pushed(source=7, answers="x") + pushed(source=1, answers=""),  # protobuf joins the two
        b"\xff\xff\xff",
    ],
    ids=["an order", "no answer", "another's answer", "an order behind", "no message"],
)
def test_a_partner_cannot_give_orders_to_another_partys_node(
    gate: OpenGate, behind: Behind, social: ec.EllipticCurvePrivateKey, body: bytes
) -> None:
    answer = gate.post(PUSH, signed_headers(social), body)
    assert answer.status_code == 403
    assert behind.seen == []
    assert gate.lines.about("no answer of its own")["peer"] == "social"


def test_an_answer_of_ones_own_is_passed_on(
    gate: OpenGate, behind: Behind, social: ec.EllipticCurvePrivateKey
) -> None:
    body = pushed(source=7, answers="the order")
    assert gate.post(PUSH, signed_headers(social), body).status_code == 200
    assert behind.seen == [("POST", PUSH, body)]


# --- strangers without keys ---


def test_handshakes_left_half_open_do_not_shut_a_party_out(
    gate: OpenGate, social: ec.EllipticCurvePrivateKey
) -> None:
    with ExitStack() as held:
        for number in range(300):
            half = held.enter_context(socket.create_connection(("127.0.0.1", gate.port)))
            half.sendall(b"\x16\x03\x01\x02\x00"[: number % 6])
        begun = time.monotonic()
        with httpx.Client(base_url=str(gate.client.base_url), verify=gate.trust) as client:
            answer = client.post(HEARTBEAT, headers=signed_headers(social), timeout=10.0)
    assert answer.status_code == 200
    assert time.monotonic() - begun < 5


def test_a_stranger_that_asks_for_ever_other_things_does_not_fill_the_log(
    gate: OpenGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parties.node.gate.MOST_LINES", 10)
    for number in range(20):
        gate.client.get(f"/{number}")
    assert len(gate.lines.written) == 10


def test_a_strangers_words_reach_the_log_without_escapes(gate: OpenGate) -> None:
    raw(gate, b"GET /%1b[2J%9b2J%e2%80%ae HTTP/1.1\r\nHost: g\r\n\r\n")
    (line,) = gate.lines.written
    assert str(line["text"]).isprintable()


def test_a_partners_certificate_does_not_pass_for_the_gates(keys: Path) -> None:
    """Of the right authority, with the partner's own name: a SuperNode refuses it."""
    with serving(TlsServer(keys / "social", saying(b"HTTP/1.1 200 OK\r\n\r\n"))) as port:
        client = FleetHttpClient.from_server_address(
            f"127.0.0.1:{port}",
            insecure=False,
            root_certificates=(keys / "forum" / "authority.crt").read_bytes(),
            interceptors=[],
        )
        with pytest.raises(httpx.ConnectError, match="certificate is not valid for"):
            client.PullMessages(PullMessagesRequest(node=Node(node_id=7)))
        client.close()


# --- what a party's words do once Flower's server has printed them ---

FORGED = json.dumps({"level": "error", "event": "app_refused", "text": "forged", "party": "x"})


def test_what_peers_have_flower_print_is_no_event_and_moves_no_terminal(tmp_path: Path) -> None:
    human = io.StringIO()
    log = NodeLog(LogConfig(folder=tmp_path, party="coordinator", human=human))
    evil = f"INFO : fab_hash=x\n{FORGED}\n\x1b]0;owned\x07\x1b[2J\x9b2J\u202e\r\x08\n"
    for line in evil.encode().splitlines(keepends=True):
        log.output("superlink", line)
    log.event(Level.INFO, "noted", "\x1b[2Jit\x9b2J")
    log.close()
    written = [json.loads(line) for line in (tmp_path / FILE).read_text().splitlines()]
    assert {line["event"] for line in written} == {"output", "noted"}
    assert {line["party"] for line in written} == {"coordinator"}
    for text in (human.getvalue(), *(str(line["text"]) for line in written)):
        assert text.replace("\n", "").isprintable()


def test_an_own_process_still_reports_events(tmp_path: Path) -> None:
    log = NodeLog(LogConfig(folder=tmp_path, party="social"))
    log.output("executor", FORGED.encode())
    log.close()
    (line,) = (tmp_path / FILE).read_text().splitlines()
    assert json.loads(line)["event"] == "app_refused"
