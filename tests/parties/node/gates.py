"""A gate on loopback in this process, and SuperNodes' calls at it."""

import asyncio
import base64
import datetime as dt
import json
import logging
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_ssh_private_key,
)

from federation.exchange.log_lines import JsonLines
from parties.keys.roster import read_roster
from parties.node.gate import GatePlace, serve
from parties.node.gate_lines import GateLimits
from parties.node.loopback import listening
from tests.federation.exchange.flower_network import until

ACTIVATE = "/v1/fleet/activate-node"
HEARTBEAT = "/v1/fleet/send-node-heartbeat"


def node_key_of(keys: Path) -> ec.EllipticCurvePrivateKey:
    key = load_ssh_private_key((keys / "node.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def signed_headers(
    key: ec.EllipticCurvePrivateKey, *, at: dt.datetime | None = None, claim: bytes | None = None
) -> dict[str, str]:
    """What a SuperNode sends with each call; `claim` is the key that it says it has."""
    signed = (at or dt.datetime.now(dt.UTC)).isoformat()
    return {
        "content-type": "application/protobuf",
        "accept": "application/protobuf",
        "flwr-public-key": base64.b64encode(claim or public_pem(key)).decode(),
        "flwr-timestamp": signed,
        "flwr-signature": base64.b64encode(key.sign(signed.encode(), ec.ECDSA(SHA256()))).decode(),
    }


def public_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


class Lines(logging.Handler):
    """What a process would have written to its log."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonLines())
        self.written: list[Mapping[str, object]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.written.append(json.loads(self.format(record)))

    def about(self, text: str) -> Mapping[str, object]:
        found = [line for line in self.written if text in str(line["text"])]
        assert found, self.written
        return found[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenGate:
    port: int
    client: httpx.Client
    trust: ssl.SSLContext
    lines: Lines

    def post(self, path: str, headers: Mapping[str, str], content: bytes = b"") -> httpx.Response:
        return self.client.post(path, headers=headers, content=content)


@contextmanager
def open_gate(
    keys: Path, upstream: str, authority: Path, limits: GateLimits
) -> Iterator[OpenGate]:
    """A gate with the coordinator's keys, for the federation whose keys lie in `keys`."""
    public = listening("127.0.0.1", 0)
    place = GatePlace(
        upstream=upstream,
        authority=authority,
        certificate=keys / "coordinator" / "tls.crt",
        key=keys / "coordinator" / "tls.key",
        limits=limits,
    )
    trust = ssl.create_default_context(cafile=keys / "coordinator" / "authority.crt")
    port = public.getsockname()[1]
    lines = Lines()
    logging.getLogger("fedrecall.gate").addHandler(lines)
    try:
        with (
            _serving(public, place, keys / "roster.toml"),
            httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=trust, timeout=10) as client,
        ):
            until(lambda: client.get("/v1/health").is_success)
            yield OpenGate(port=port, client=client, trust=trust, lines=lines)
    finally:
        logging.getLogger("fedrecall.gate").removeHandler(lines)


@contextmanager
def _serving(public: socket.socket, place: GatePlace, roster: Path) -> Iterator[None]:
    loop = asyncio.new_event_loop()
    task = loop.create_task(serve(public, place, read_roster(roster)))

    def work() -> None:
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pass
        finally:
            loop.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
