"""Checks of a node's lines: ports, the way to the coordinator, and the time it has there."""

import datetime as dt
import errno
import socket
import ssl
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPResponse
from typing import Final

from parties.config import COORDINATOR
from parties.errors import UnreachableError
from parties.keys.loading import PartyKeys
from parties.keys.roster import Roster
from parties.node.examined import Examined
from parties.node.findings import Finding, failed, passed, skipped, warned
from parties.node.party_file import Endpoint
from parties.node.reaching import Target, reach

# flwr.common.constant of Flower 1.41: a node signs with the time, and the SuperLink takes what is
# no more than SYSTEM_TIME_TOLERANCE ahead, and TIMESTAMP_TOLERANCE plus that behind.
SYSTEM_TIME_TOLERANCE_S: Final = 5
TIMESTAMP_TOLERANCE_S: Final = 300
AHEAD_S: Final = SYSTEM_TIME_TOLERANCE_S
BEHIND_S: Final = TIMESTAMP_TOLERANCE_S + SYSTEM_TIME_TOLERANCE_S
DATE_UNIT_S: Final = 1  # an HTTP date has whole seconds
WORTH_A_WORD_S: Final = 2
HEALTH_PATH: Final = "/v1/health"
LOOPBACK: Final = "127.0.0.1"
FLEET_PROTOCOL: Final = "http/1.1"
HUB_PROTOCOL: Final = "h2"  # gRPC's


def check_flower_port(examined: Examined) -> Finding:
    """The gate in front of Flower is reached, and is the coordinator's."""
    target = _fleet(examined)
    if target is None:
        return skipped("flower port", "needs keys and a roster")
    try:
        with reach(target):
            return passed("flower port", f"{target.place}: TCP, TLS, name and pin are right")
    except UnreachableError as error:
        return failed("flower port", f"{error.step}: {error.problem}", error.remedy)


def check_hub_port(examined: Examined) -> Finding:
    """The exchange hub is reached, is the coordinator's, and takes this party's certificate."""
    target = _hub(examined)
    if target is None:
        return skipped("hub port", "needs keys and a roster")
    try:
        with reach(target):
            return passed("hub port", f"{target.place}: TCP, mutual TLS, name and pin are right")
    except UnreachableError as error:
        if error.refused:
            return warned(
                "hub port",
                f"{target.place} refuses; the hub listens only while a run is on",
                "nothing, if no run is on; else correct coordinator.hub_port",
            )
        return failed("hub port", f"{error.step}: {error.problem}", error.remedy)


def check_clock(examined: Examined) -> Finding:
    """This machine's clock is the coordinator's, as closely as Flower asks for."""
    target = _fleet(examined)
    if target is None:
        return skipped("clock", "needs keys and a roster")
    try:
        with reach(target) as line:
            ahead = _seconds_ahead(line, target)
    except UnreachableError:
        return skipped("clock", "needs the flower port")
    except (OSError, HTTPException, ValueError, TypeError):
        return skipped("clock", f"{target.place} does not tell its time")
    return _judged(ahead)


def check_health_port(examined: Examined) -> Finding:
    """The port of /healthz and /metrics is free on loopback."""
    return _bindable("health port", LOOPBACK, (examined.party.health_port,))


def check_listening(examined: Examined) -> Finding:
    """The coordinator's ports are free on the address it listens on."""
    listen = examined.party.listen
    if listen is None:
        return skipped("listening", "only the coordinator listens")
    return _bindable("listening", listen.host, (listen.flower_port, listen.hub_port))


def _fleet(examined: Examined) -> Target | None:
    endpoint = examined.party.coordinator
    if endpoint is None:
        return None
    # SuperNode compares the certificate with the host that it dials.
    return _target(examined, endpoint, name=endpoint.host, hub=False)


def _hub(examined: Examined) -> Target | None:
    endpoint = examined.party.coordinator
    if endpoint is None:
        return None
    return _target(examined, endpoint, name=COORDINATOR, hub=True)


def _target(examined: Examined, endpoint: Endpoint, *, name: str, hub: bool) -> Target | None:
    keys, roster = examined.keys, examined.roster
    if not isinstance(keys, PartyKeys) or not isinstance(roster, Roster):
        return None
    return Target(
        host=endpoint.host,
        port=endpoint.hub_port if hub else endpoint.flower_port,
        name=name,
        pin=roster.entry(COORDINATOR).tls_pin,
        keys=examined.party.keys,
        mutual=hub,
        protocol=HUB_PROTOCOL if hub else FLEET_PROTOCOL,
        timeout_s=examined.limits.timeout_s,
    )


def _seconds_ahead(line: ssl.SSLSocket, target: Target) -> float:
    """How far this machine's clock is ahead of the one at the other end, in seconds."""
    request = f"GET {HEALTH_PATH} HTTP/1.1\r\nHost: {target.place}\r\nConnection: close\r\n\r\n"
    line.sendall(request.encode())
    response = HTTPResponse(line)
    response.begin()
    now = dt.datetime.now(dt.UTC)
    told = parsedate_to_datetime(response.getheader("Date", ""))
    # The date is cut to whole seconds, so it is half of one old on average.
    return (now - told).total_seconds() - DATE_UNIT_S / 2


def _judged(ahead: float) -> Finding:
    side = "ahead of" if ahead > 0 else "behind"
    detail = f"clock off by {abs(ahead):.0f} s, {side} the coordinator's"
    remedy = "enable NTP on both machines, as with: timedatectl set-ntp true"
    if not -BEHIND_S - DATE_UNIT_S < ahead < AHEAD_S + DATE_UNIT_S:
        allowed = f"; Flower allows {AHEAD_S} s ahead and {BEHIND_S} s behind"
        return failed("clock", detail + allowed, remedy)
    if abs(ahead) > WORTH_A_WORD_S:
        return warned("clock", detail, remedy)
    return passed("clock", "as the coordinator's")


def _bindable(check: str, host: str, ports: tuple[int, ...]) -> Finding:
    for port in ports:
        try:
            _bind(host, port)
        except OSError as error:
            return _unbindable(check, f"{host}:{port}", error)
    return passed(check, f"{host}, {', '.join(map(str, ports))}: free")


def _bind(host: str, port: int) -> None:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, _, _, address = found[0]
    with socket.socket(family, kind) as probe:
        # As servers do: a port whose last connections are still closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        probe.listen()


def _unbindable(check: str, place: str, error: OSError) -> Finding:
    if error.errno == errno.EADDRINUSE:
        return warned(
            check, f"{place} is in use", "nothing, if this node is up; else choose another port"
        )
    return failed(
        check,
        f"{place} cannot be listened on: {error.strerror}",
        "name an address of this machine, and a port that its user may open, in party.toml",
    )
