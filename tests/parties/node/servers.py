"""Real servers on loopback, each a way in which a coordinator can be there or not be there."""

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import format_datetime
from pathlib import Path

Serve = Callable[[ssl.SSLSocket], None]
TIMEOUT_S = 10.0


@dataclass(frozen=True)
class TlsServer:
    """A TLS server's key folder, whose clients it trusts, and what it says.

    Args:
        keys: key folder of the party that serves.
        serve: what is done with a connection once the handshake is over.
        mutual: whether clients must show a certificate of the same authority.
    """

    keys: Path
    serve: Serve
    mutual: bool = False

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.keys / "tls.crt", self.keys / "tls.key")
        context.load_verify_locations(self.keys / "authority.crt")
        context.verify_mode = ssl.CERT_REQUIRED if self.mutual else ssl.CERT_NONE
        return context


def telling_the_time(ahead: dt.timedelta = dt.timedelta()) -> Serve:
    """Answer any request with a date, as a server does whose clock is ahead by so much."""

    def serve(line: ssl.SSLSocket) -> None:
        line.recv(4096)
        date = format_datetime(dt.datetime.now(dt.UTC) + ahead, usegmt=True)
        line.sendall(f"HTTP/1.1 404 Not Found\r\nDate: {date}\r\n\r\n".encode())

    return serve


def saying(answer: bytes) -> Serve:
    """Send the same bytes whatever is asked, and hang up."""

    def serve(line: ssl.SSLSocket) -> None:
        line.settimeout(0.2)
        with suppress(TimeoutError):
            line.recv(4096)
        line.sendall(answer)

    return serve


def staying_silent(line: ssl.SSLSocket) -> None:
    """Say nothing until the other end has had enough."""
    with suppress(OSError):
        line.recv(1)


def swallowing(plain: socket.socket) -> None:
    """Take all that comes, and never answer."""
    while plain.recv(4096):
        pass


def hanging_up(line: ssl.SSLSocket) -> None:
    """End the connection in due form, without a word."""
    with suppress(OSError):
        line.unwrap()


@contextmanager
def serving(server: TlsServer) -> Iterator[int]:
    """Serve TLS on a free port of loopback; yields the port."""
    context = server.context()

    def handle(plain: socket.socket) -> None:
        with context.wrap_socket(plain, server_side=True) as line:
            server.serve(line)

    with listening(handle) as port:
        yield port


@contextmanager
def listening(handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve TCP on a free port of loopback, one connection after the other; yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_accept, args=(server, handle), daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)  # wakes who waits for a connection
            thread.join(TIMEOUT_S)
            assert not thread.is_alive()


def _accept(server: socket.socket, handle: Callable[[socket.socket], None]) -> None:
    while True:
        try:
            plain, _ = server.accept()
        except OSError:
            return
        plain.settimeout(TIMEOUT_S)
        with plain, suppress(OSError):  # a client that goes away is what some tests are about
            handle(plain)


def free_port() -> int:
    """A port at which nothing listens now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
