"""The coordinator's end of a bench's lines: it answers everyone, or passes on from one to another.

A meeting is what a training step does at the coordinator: it waits for a payload of every
partner, and then sends one to each. Passing on is what the hub does between two other parties.
"""

import secrets
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, Protocol

from federation.exchange.grpc_hub import HubServer
from federation.exchange.hub import Admission, Hub
from federation.exchange.transport import Transport
from parties.config import COORDINATOR
from parties.keys import load_keys, read_roster
from parties.keys.ceremony import ROSTER
from simulations.bench.link_lines import (
    LIMITS,
    LOOPBACK,
    TIMEOUT_S,
    Door,
    FrameLine,
    HubDoor,
    Line,
    SealedDoor,
    TlsDoor,
    TlsLine,
    prompt,
    tls_context,
)

SESSION_BYTES: Final = 16
TOKEN_BYTES: Final = 32


class Middle(Protocol):
    """What the coordinator does between the parties that come in by a door."""

    @property
    def door(self) -> Door:
        """Where they come in."""
        ...

    def meet(self, partners: Sequence[str], payload: bytes, count: int) -> None:
        """Answer everyone, once all have come, `count` times."""
        ...

    def pass_on(self, one: str, other: str, count: int) -> None:
        """Carry `count` payloads from one party to the other and as many back."""
        ...


class HubMiddle:
    """The hub, with frames as they are."""

    def __init__(self, door: HubDoor, transport: Transport) -> None:
        self.door: Door = door
        self._transport = transport

    def meet(self, partners: Sequence[str], payload: bytes, count: int) -> None:
        line = self._line()
        for _ in range(count):
            for _ in partners:
                line.receive()
            for name in partners:
                line.send(name, payload)

    def pass_on(self, one: str, other: str, count: int) -> None:
        del one, other, count  # the hub does it by itself

    def _line(self) -> Line:
        return FrameLine(self._transport, COORDINATOR)


class SealedMiddle(HubMiddle):
    """The hub, with frames that only their recipient can open."""

    def __init__(self, door: SealedDoor, transport: Transport) -> None:
        super().__init__(door.inner, transport)
        self.door: Door = door
        self._sealed = door

    def pass_on(self, one: str, other: str, count: int) -> None:
        super().pass_on(one, other, count)
        self._line()  # the two greet everyone, and are greeted

    def _line(self) -> Line:
        return self._sealed.seal(self._transport, COORDINATOR)


class TlsMiddle:
    """Bare TLS sockets, one a party."""

    def __init__(self, door: TlsDoor, listener: socket.socket, members: Sequence[str]) -> None:
        self.door: Door = door
        self._listener = listener
        self._context = tls_context(door.keys / COORDINATOR, ssl.PROTOCOL_TLS_SERVER)
        self._size, self._members = door.size, members

    def meet(self, partners: Sequence[str], payload: bytes, count: int) -> None:
        all_have_come = threading.Barrier(len(partners))

        def serve(line: TlsLine) -> None:
            for _ in range(count):
                line.receive()
                all_have_come.wait(TIMEOUT_S)
                line.send(line.peer, payload)

        # A thread a socket: no two threads may use one TLS connection at once.
        with self._lines() as lines, ThreadPoolExecutor(len(lines)) as threads:
            for _ in threads.map(serve, lines.values()):
                pass

    def pass_on(self, one: str, other: str, count: int) -> None:
        with self._lines() as lines:
            for _ in range(count):
                for sender, recipient in ((one, other), (other, one)):
                    lines[sender].receive()
                    lines[recipient].send(recipient, lines[sender].received)

    @contextmanager
    def _lines(self) -> Iterator[Mapping[str, TlsLine]]:
        with ExitStack() as open_lines:
            lines = {}
            for _ in self._members:
                bare, _ = self._listener.accept()
                connection = prompt(self._context.wrap_socket(bare, server_side=True))
                line = TlsLine(connection, self._size)
                open_lines.callback(line.close)
                lines[line.peer] = line
            yield lines


@contextmanager
def hub_middle(keys: Path, members: Sequence[str]) -> Iterator[Middle]:
    """Host a session at the hub, with frames as they are."""
    with _session(keys, members) as (door, transport):
        yield HubMiddle(door, transport)


@contextmanager
def sealed_middle(keys: Path, members: Sequence[str]) -> Iterator[Middle]:
    """Host a session at the hub, with frames that only their recipient can open."""
    with _session(keys, members) as (door, transport):
        yield SealedMiddle(SealedDoor(inner=door, members=(COORDINATOR, *members)), transport)


@contextmanager
def tls_middle(keys: Path, members: Sequence[str], *, size: int) -> Iterator[Middle]:
    """Listen on a bare TLS socket for payloads of `size` bytes."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        listener.settimeout(TIMEOUT_S)
        port: int = listener.getsockname()[1]
        yield TlsMiddle(TlsDoor(keys=keys, port=port, size=size), listener, members)


@contextmanager
def _session(keys: Path, members: Sequence[str]) -> Iterator[tuple[HubDoor, Transport]]:
    own, roster = load_keys(keys / COORDINATOR), read_roster(keys / ROSTER)
    hub = Hub(roster.names, LIMITS)
    server = HubServer(hub, f"{LOOPBACK}:0", tls=own.tls, pins=roster.pins())
    port = server.start()
    try:
        session = secrets.token_bytes(SESSION_BYTES)
        tokens = {name: secrets.token_bytes(TOKEN_BYTES) for name in members}
        hub.admit(Admission(session=session, tokens=tokens))
        address = f"{LOOPBACK}:{port}"
        door = HubDoor(keys=keys, address=address, session=session, tokens=tokens)
        yield door, hub.attach(COORDINATOR)
    finally:
        server.stop()
