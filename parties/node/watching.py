"""When a party counts as lost: what the hub sees of links beside what Flower sees of nodes."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from federation.errors import PeerLostError
from federation.exchange.hub import Hub
from federation.exchange.steering import Steering
from parties.node.orders import Ending

POLL_S: Final = 0.5
LOG: Final = logging.getLogger("fedrecall.hosting")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long the coordinator waits for what, in seconds.

    Args:
        start_s: for a party to join the hub after its order; it reads its data first.
        reconnect_s: for a party that lost its link.
        settle_s: for a party whose node is up again, before its old session counts as gone.
        stale_s: after which a node that is up cannot be the one that was killed: Flower takes up
            to 60 s to notice that.
        answers_s: for reports, once a session has ended.
        pause_s: before the next session; doubled with each one that fails.
    """

    start_s: float = 600.0
    reconnect_s: float = 150.0
    settle_s: float = 10.0
    stale_s: float = 75.0
    answers_s: float = 20.0
    pause_s: float = 1.0


class Watch:
    """Ends a session when a party is lost, or when the operator wants it to end."""

    def __init__(self, hub: Hub, steering: Steering, begun: int, patience: Patience) -> None:
        """Watch the session that the hub admits to.

        Args:
            hub: of the session.
            steering: of its orders.
            begun: the number of those orders.
            patience: how long to wait for what.
        """
        self._hub, self._steering, self._begun = hub, steering, begun
        self._patience = patience
        self._opened = time.monotonic()
        self._online_since: dict[str, float] = {}
        self._went_down: set[str] = set()  # nodes seen offline in this session
        self.stopped = False
        self.reason = ""

    @contextmanager
    def running(self, members: Sequence[str], stop_asked: Callable[[], bool]) -> Iterator[None]:
        """Watch from a thread of its own for as long as the context lasts."""
        over = threading.Event()

        def look() -> None:
            while not over.wait(POLL_S):
                if self._look(members, stop_asked()):
                    return

        thread = threading.Thread(target=look, name="watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _look(self, members: Sequence[str], stop: bool) -> bool:
        """Look once; True when the session has been ended."""
        if stop:
            self.stopped = True
            self._hub.end("the coordinator's operator stopped the run")
            return True
        try:
            self._note_nodes(members)
            reason = self._lost() or self._gave_up()
        except PeerLostError as error:  # Flower itself is gone, and nothing can be steered
            reason = str(error)
        if reason is None:
            return False
        self.reason = reason
        LOG.warning("%s", reason)
        self._hub.end(reason)
        return True

    def _note_nodes(self, members: Sequence[str]) -> None:
        online, now = self._steering.online(), time.monotonic()
        for name in members:
            if name not in online:
                self._online_since.pop(name, None)
                self._went_down.add(name)
            else:
                self._online_since.setdefault(name, now)

    def _lost(self) -> str | None:
        patience, now = self._patience, time.monotonic()
        for name, gone in self._hub.absent().items():
            never = gone >= now - self._opened - POLL_S
            if gone > (patience.start_s if never else patience.reconnect_s):
                return f"{name} {'did not join' if never else 'was gone'} for {gone:.0f} s"
            # A node needs a while to begin a session that it has not joined yet.
            settle = patience.settle_s + (patience.stale_s if never else 0)
            up = now - self._online_since.get(name, now)
            if name in self._went_down and min(up, gone) > settle:
                return f"{name} is up again, without the session it was in"
            if not never and name in self._online_since and gone > patience.stale_s + settle:
                return f"{name} has left the session, and its node is up"
        return None

    def _gave_up(self) -> str | None:
        """A party that has answered although the session is not over."""
        for name, answer in self._steering.answers().items():
            if answer.order != self._begun or answer.unreachable:
                continue
            if answer.failure is not None:
                return f"{name}: {answer.failure}"
            if answer.values.get("ending") != Ending.DONE.value:
                return f"{name} has ended its session"
        return None
