"""The gate: the one public port in front of Flower's server, for SuperNodes of the roster alone.

Flower's server answers for control, fleet and runtime on one port, and whoever reaches its control
API can submit code. So it listens on loopback, and this reverse proxy lets through what a
SuperNode needs.

Rules:
1. Only the calls of `FLEET_CALLS` are passed on. Registering nodes is not among them: the
   coordinator registers the roster itself.
2. A call is passed on only if a node key of the roster signed its time, and the time is now. Until
   then nothing of its body is read.
3. What a node pushes are answers of its own, never an order to another node.
4. Bodies, their time, and connections by address are limited, so that one peer does not shut out
   the others.
5. Who is refused is told why, as the SuperNode prints it, and the log says so with the address.
"""

import argparse
import asyncio
import datetime as dt
import logging
import resource
import socket
import ssl
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from federation.exchange.flower_fleet import holds_answers_only
from federation.exchange.log_lines import fields, log_as_json
from parties.keys.folder import TLS_CERTIFICATE, TLS_KEY
from parties.keys.roster import Roster, read_roster
from parties.node.gate_guard import REFUSED, Guards, RefusedError
from parties.node.gate_lines import GateLimits, limited_protocol
from parties.node.loopback import listening
from parties.node.orders import printable

HEALTH_PATH: Final = "/v1/health"  # what `fedrecall node check` asks for the time
FLEET: Final = "/v1/fleet/"
ACTIVATE: Final = "activate-node"
PUSH: Final = "push-messages"
FLEET_CALLS: Final = frozenset(
    {
        ACTIVATE,
        "deactivate-node",
        "send-node-heartbeat",
        "pull-messages",
        PUSH,
        "get-run",
        "get-fab",
        "push-object",
        "pull-object",
        "confirm-message-received",
    }
)
PASSED_ON: Final = ("content-type", "accept")
ELSEWHERE_S: Final = 60.0  # for so long Flower takes a node to be where it last was
REPEAT_S: Final = 60.0  # between two equal lines about one address
MOST_LINES: Final = 100  # about one address in that time, whatever they say
REMEMBERED: Final = 1000  # addresses that lines were written about
logger = logging.getLogger("fedrecall.gate")


class Gate:
    """The ASGI application."""

    def __init__(self, guards: Guards, upstream: httpx.AsyncClient, limits: GateLimits) -> None:
        """Make one.

        Args:
            guards: who may call.
            upstream: reaches Flower's server; its base URL says where.
            limits: what a peer may take up.
        """
        self._guards = guards
        self._upstream = upstream
        self._limits = limits
        self._seen: dict[str, tuple[str, float]] = {}  # party → address, when
        self._said: dict[str, set[str]] = {}  # address → what was said of it lately
        self._since = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":  # a WebSocket; uvicorn then refuses it
            return
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except RefusedError as refused:
            self._say(request, str(refused), party=refused.party, status=refused.status)
            response = _refusal(request, refused)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path, method = request.url.path, request.method
        if path == HEALTH_PATH and method in ("GET", "HEAD"):
            return Response(status_code=200)  # its date is the answer
        call = path.removeprefix(FLEET)
        if not path.startswith(FLEET) or call not in FLEET_CALLS or method != "POST":
            raise RefusedError(404, f"{method} {printable(path)} is not for parties")
        party = self._guards.admit(request.headers, dt.datetime.now(dt.UTC))
        self._locate(request, party, call)
        return await self._pass_on(request, party, call)

    async def _pass_on(self, request: Request, party: str, call: str) -> Response:
        body = await self._body(request, party)
        if call == PUSH and not holds_answers_only(body):
            raise RefusedError(403, f"{party} pushes what is no answer of its own", party=party)
        headers = {
            name: value
            for name, value in request.headers.items()
            if name in PASSED_ON or name.startswith("flwr-")
        }
        try:
            answer = await self._upstream.post(request.url.path, content=body, headers=headers)
        except httpx.HTTPError as error:
            kind = type(error).__name__
            raise RefusedError(
                503, f"Flower's server does not answer ({kind})", party=party
            ) from error
        if answer.is_error:
            text = f"{printable(request.url.path)} of {party}: {printable(answer.text)}"
            self._say(request, text, party=party, status=answer.status_code)
        kept = {
            name: value
            for name, value in answer.headers.items()
            if name == "content-type" or name.startswith("flwr-")
        }
        return Response(answer.content, status_code=answer.status_code, headers=kept)

    async def _body(self, request: Request, party: str) -> bytes:
        limits, body = self._limits, bytearray()
        try:
            async with asyncio.timeout(limits.body_s):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > limits.body_bytes:
                        problem = f"{party} sends more than {limits.body_bytes} bytes in one call"
                        raise RefusedError(413, problem, party=party)
        except TimeoutError:
            problem = f"{party} takes longer than {limits.body_s:.0f} s for one call"
            raise RefusedError(408, problem, party=party) from None
        return bytes(body)

    def _locate(self, request: Request, party: str, call: str) -> None:
        """Notice a key that is in use at two addresses."""
        here, now = _address(request), time.monotonic()
        before, when = self._seen.get(party, (here, now))
        if call == ACTIVATE and before != here and now - when < ELSEWHERE_S:
            self._say(
                request,
                f"a node of {party} starts at {here} while one is up at {before}: if it has not "
                "moved, its key is in use twice; stop one, or rotate the key",
                party=party,
                status=0,
            )
        self._seen[party] = here, now

    def _say(self, request: Request, text: str, *, party: str | None, status: int) -> None:
        """Log a refusal, seldom enough that no address fills the disk."""
        address, now = _address(request), time.monotonic()
        if now - self._since >= REPEAT_S or len(self._said) >= REMEMBERED:
            self._said.clear()
            self._since = now
        said = self._said.setdefault(address, set())
        if text in said or len(said) >= MOST_LINES:
            return
        said.add(text)
        about = fields("gate_refused", address=address, peer=party, status=status)
        logger.warning("%s: %s", address, text, extra=about)


def _refusal(request: Request, refused: RefusedError) -> Response:
    # A SuperNode prints the reason of a 400 that its first call gets. A 401 later makes it end,
    # and its supervisor starts it again, with a first call.
    first = request.url.path == FLEET + ACTIVATE
    status = 401 if refused.status == REFUSED and not first else refused.status
    # The form in which Flower's own server words errors, so that a SuperNode shows it.
    response = JSONResponse({"code": status, "detail": str(refused)}, status_code=status)
    response.headers["connection"] = "close"  # what was not read of the body is dropped
    return response


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePlace:
    """Where a gate stands.

    Args:
        upstream: host:port of Flower's server.
        authority: PEM file of who signed its certificate.
        certificate: PEM file that the gate shows.
        key: PEM file of its key.
        limits: what one peer may take up.
    """

    upstream: str
    authority: Path
    certificate: Path
    key: Path
    limits: GateLimits = field(default_factory=GateLimits)


async def serve(public: socket.socket, place: GatePlace, roster: Roster) -> None:
    """Serve on a bound socket until SIGTERM or SIGINT.

    Raises:
        OSError: a certificate or key cannot be read.
    """
    trust = ssl.create_default_context(cafile=place.authority)
    base, patience = f"https://{place.upstream}", httpx.Timeout(place.limits.answer_s)
    async with httpx.AsyncClient(base_url=base, verify=trust, timeout=patience) as upstream:
        gate = Gate(Guards(roster.nodes()), upstream, place.limits)
        with public:
            await uvicorn.Server(_configured(gate, place)).serve(sockets=[public])


def _configured(gate: Gate, place: GatePlace) -> uvicorn.Config:
    limits = place.limits
    config = uvicorn.Config(
        gate,
        http=limited_protocol(limits),
        ws="none",
        lifespan="off",
        ssl_certfile=place.certificate,
        ssl_keyfile=place.key,
        proxy_headers=False,  # nothing stands before the gate, so nobody may name an address
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_keep_alive=int(limits.idle_s),
        timeout_graceful_shutdown=int(limits.body_s),
    )
    config.load()
    if config.ssl is not None:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_3
    return config


def main(arguments: list[str] | None = None) -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="fedrecall gate", description=__doc__)
    parser.add_argument("--upstream", required=True, help="host:port of Flower's server")
    parser.add_argument("--authority", type=Path, required=True, help="PEM file, for its side")
    parser.add_argument("--keys", type=Path, required=True, help="the coordinator's key folder")
    parser.add_argument("--roster", type=Path, required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args(arguments)
    log_as_json()
    # It writes a line for every malformed request, and anyone may send those.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    _take_descriptors()
    place = GatePlace(
        upstream=given.upstream,
        authority=given.authority,
        certificate=given.keys / TLS_CERTIFICATE,
        key=given.keys / TLS_KEY,
    )
    public = listening(given.host, given.port)
    logger.info("open at %s:%d", *public.getsockname()[:2], extra=fields("gate_open"))
    asyncio.run(serve(public, place, read_roster(given.roster)))


def _take_descriptors() -> None:
    """Take all the open files this process may have: handshakes left half open use them up."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    main()
