"""A bare loop of X25519 exchanges: the ingredient set intersection is measured against.

Run as `python -m simulations.bench.bare COUNT` it says it is ready, waits for a line,
so that several can start together, and writes its rate.
"""

import sys
import time
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Final, TextIO

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

DISTINCT: Final = 256  # points the loop goes round; the work does not depend on the point


def exchanges_per_second(count: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Time `count` exchanges in this process, by the wall or another clock.

    Points come as 32 bytes, as they do from a peer, so loading one is part of an exchange.
    """
    exchange, load = X25519PrivateKey.generate().exchange, X25519PublicKey.from_public_bytes
    points = [
        X25519PrivateKey.generate().public_key().public_bytes_raw()
        for _ in range(min(count, DISTINCT))
    ]
    rounds = cycle(points)
    began = clock()
    for _ in range(count):
        exchange(load(next(rounds)))
    return count / (clock() - began)


def main(arguments: Sequence[str], start: TextIO, out: TextIO) -> None:
    """Write `ready`, wait for a line from `start`, then write the rate."""
    out.write("ready\n")
    out.flush()
    start.readline()
    out.write(f"{exchanges_per_second(int(arguments[0]))}\n")


if __name__ == "__main__":
    main(sys.argv[1:], sys.stdin, sys.stdout)
