"""A server and a caller, run on hosts as a script: `echo.py serve` and `echo.py call HOST …`."""

import socket
import sys
import time

PORT = 7777


def serve() -> None:
    with socket.create_server(("0.0.0.0", PORT), reuse_port=True) as server:  # noqa: S104
        print("listening", flush=True)  # noqa: T201
        while True:
            line, _ = server.accept()
            with line:
                while data := line.recv(65536):
                    line.sendall(data)


def call(host: str, size: int, timeout: float) -> None:
    """Print the seconds that `size` bytes there and back take, then those of one byte."""
    with socket.create_connection((host, PORT), timeout=timeout) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        print(_there_and_back(line, 1), _there_and_back(line, size))  # noqa: T201


def _there_and_back(line: socket.socket, size: int) -> float:
    begin = time.monotonic()
    line.sendall(bytes(size))
    left = size
    while left:
        left -= len(line.recv(65536))
    return time.monotonic() - begin


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    else:
        call(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
