"""A run of Flower's simulation engine, to be ended from outside.

Run as a program: `python -m tests.federation.exchange.engine_run`. It says where its files are,
and then that its leader is at work.
"""

import os
import threading
import time

from federation.exchange.flower_simulation import Leader, simulate_apps
from federation.exchange.steering import Order, Steering

PARTIES = ("item", "social")


def answer(party: str, order: Order) -> Order:
    return {"party": party}


def main() -> None:
    stop = threading.Event()

    def host(steering: Steering) -> None:
        print(os.environ["FLWR_HOME"], flush=True)  # noqa: T201 - the test reads it
        while steering.online() != set(PARTIES):
            time.sleep(0.1)
        print("at work", flush=True)  # noqa: T201 - the test waits for it
        stop.wait()

    simulate_apps(Leader(host=host, stop=stop.set), answer, PARTIES)


if __name__ == "__main__":
    main()
