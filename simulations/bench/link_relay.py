"""A TCP relay that counts: every byte between the parties and the hub goes through it.

It sees what the sockets hand to TCP: TLS records with all that is in them, handshakes and HTTP/2
framing included. The headers of TCP and IP are the network's and are not counted.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

LOOPBACK: Final = "127.0.0.1"
CHUNK_BYTES: Final = 1 << 18
POLL_S: Final = 0.2


class CountingRelay:
    """Listens on a free port, and connects whoever comes to the hub."""

    def __init__(self) -> None:
        self._listener = socket.create_server((LOOPBACK, 0))
        self._listener.settimeout(POLL_S)
        self.port: int = self._listener.getsockname()[1]
        self._hub = 0
        self._counted: list[tuple[float, int]] = []
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._over = False

    def lead_to(self, hub: int) -> int:
        """Pass everything on to this port; returns the one to dial instead."""
        self._hub = hub
        return self.port

    @contextmanager
    def running(self) -> Iterator["CountingRelay"]:
        """Accept connections for as long as the context lasts."""
        self._start(self._accept)
        try:
            yield self
        finally:
            self._over = True
            self._threads[0].join()
            for each in self._open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            for thread in self._threads:
                thread.join()
            for each in (self._listener, *self._open):
                each.close()

    def bytes_between(self, began: float, ended: float) -> int:
        """Bytes of both directions from one reading of `time.monotonic` to another."""
        return sum(size for at, size in list(self._counted) if began < at <= ended)

    def _start(self, work: Callable[..., None], *args: socket.socket) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._over:
            try:
                party, _ = self._listener.accept()
            except TimeoutError:
                continue
            self._open.append(party)
            try:
                hub = socket.create_connection((LOOPBACK, self._hub))
            except OSError:
                party.close()  # it will see that nobody is there
                continue
            self._open.append(hub)
            for source, sink in ((party, hub), (hub, party)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._start(self._copy, source, sink)

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):  # one end is gone: so shall the other be
            while data := source.recv(CHUNK_BYTES):
                self._counted.append((time.monotonic(), len(data)))
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
