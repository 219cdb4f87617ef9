"""A TCP relay between a party and the hub, for tests: it can be cut, frozen and restored."""

import contextlib
import socket
import threading
from collections.abc import Callable

CHUNK = 1 << 16


class Relay:
    """Listens on loopback and passes bytes on to a port, both ways.

    Args:
        choose: the port that the connection with this number goes to, counted from 0.
    """

    def __init__(self, choose: Callable[[int], int]) -> None:
        self._choose = choose
        self._accepted = 0
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._closed = False
        self._whole = True
        self._flows = threading.Event()
        self._flows.set()
        self.carried = 0  # bytes, both ways
        self.cut_after: int | None = None  # cut once so many bytes were carried in all
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def cut(self) -> None:
        """Break every connection, and every new one as soon as it comes."""
        with self._lock:
            self._whole = False
            sockets, self._sockets = self._sockets, []
        for each in sockets:
            _hang_up(each)

    def freeze(self) -> None:
        """Pass nothing on, and break nothing: the silence of a pulled cable."""
        self._flows.clear()

    def restore(self) -> None:
        with self._lock:
            self._whole = True
        self._flows.set()

    def close(self) -> None:
        self._closed = True
        self._listener.close()
        self.cut()
        self._flows.set()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                near, _ = self._listener.accept()
                self._join(near)

    def _join(self, near: socket.socket) -> None:
        number, self._accepted = self._accepted, self._accepted + 1
        try:
            far = socket.create_connection(("127.0.0.1", self._choose(number)))
        except OSError:
            return _hang_up(near)
        with self._lock:
            if not self._whole:
                _hang_up(near)
                return _hang_up(far)
            self._sockets += [near, far]
        for source, target in ((near, far), (far, near)):
            threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK):
                self._flows.wait()
                target.sendall(data)
                self.carried += len(data)
                if self.cut_after is not None and self.carried >= self.cut_after:
                    self.cut_after = None
                    self.cut()
        _hang_up(source)
        _hang_up(target)


def _hang_up(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()


def relay_to(port: int) -> Relay:
    return Relay(lambda _: port)
