"""A bare loop of X25519 exchanges: the ingredient set intersection is measured against.

Run as `python -m simulations.bench.bare COUNT` it says it is ready, waits for a line,
so that several can start together, and writes its rate.
"""

import sys
import time
from collections.abc import Callable, Sequence
from typing import TextIO

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey


def exchanges_per_second(count: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Time `count` exchanges of one key pair in this process, by the wall or another clock."""
    exchange = X25519PrivateKey.generate().exchange
    peer = X25519PrivateKey.generate().public_key()
    began = clock()
    for _ in range(count):
        exchange(peer)
    return count / (clock() - began)


def main(arguments: Sequence[str], start: TextIO, out: TextIO) -> None:
    """Write `ready`, wait for a line from `start`, then write the rate."""
    out.write("ready\n")
    out.flush()
    start.readline()
    out.write(f"{exchanges_per_second(int(arguments[0]))}\n")


if __name__ == "__main__":
    main(sys.argv[1:], sys.stdin, sys.stdout)
