"""One session at the hub: its parties' mailboxes, and connections that may break.

Rules:
1. A remote party has one place in a session, taken by the process that comes first. That process
   may connect again and again; its newest connection counts, the older ones move nothing.
2. A frame from a remote party is acknowledged when it is in the mailbox of every recipient. What
   arrived and has no room there yet waits in the hub, within the window of `delivery`.
3. A frame for a remote party leaves its mailbox for the window, and the window when acknowledged.
4. Reading from a party never waits for another party, so that acknowledgements always come in.
"""

import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from federation.errors import FederationError
from federation.exchange.claims import Claim, Welcome
from federation.exchange.delivery import (
    LEAVE,
    Arrivals,
    Departures,
    decode_acknowledgement,
    is_acknowledgement,
)
from federation.exchange.mailroom import Mailroom
from federation.exchange.quota import Quota
from federation.exchange.routing import route
from federation.protocol.limits import Limits


@dataclass(slots=True)
class _Place:
    """A remote party's part in a session."""

    name: str
    lost_at: float  # since when it has had no connection
    instance: bytes | None = None  # the process that took the place
    connection: "Connection | None" = None
    has_left: bool = False
    departures: Departures = field(default_factory=Departures)
    arrivals: Arrivals = field(default_factory=Arrivals)
    waiting: deque[tuple[tuple[str, ...], bytes]] = field(default_factory=deque, repr=False)


class HubSession(Mailroom):
    """What moves between the parties of one session."""

    def __init__(
        self, names: Iterable[str], remote: Iterable[str], limits: Limits, quota: Quota
    ) -> None:
        self.names = tuple(names)
        self.limits = limits
        super().__init__(self.names, quota)
        now = time.monotonic()
        self._places = {name: _Place(name, now) for name in remote}

    def absent(self) -> Mapping[str, float]:
        """Seconds since each remote party that has not left lost its connection."""
        now = time.monotonic()
        with self.lock:
            return {
                place.name: now - place.lost_at
                for place in self._places.values()
                if place.connection is None and not place.has_left
            }

    def process_of(self, party: str) -> bytes | None:
        """The process that has a remote party's place."""
        with self.lock:
            return self._places[party].instance

    def has_left(self, party: str) -> bool:
        """Whether a remote party has closed its transport."""
        with self.lock:
            return self._places[party].has_left

    def connect(self, claim: Claim) -> "Connection":
        """Take a claim that was checked; the party's older connection moves nothing any more.

        Raises:
            SessionOverError: the session has ended.
            MalformedError: the party says it has frames that it cannot have.
        """
        place = self._places[claim.party]
        with self.lock:
            self._check_open()
            place.departures.resume(claim.arrived)
            place.arrivals.restart(time.monotonic())
            place.instance = claim.instance
            place.connection = connection = Connection(self, place)
            self._changed[place.name].notify_all()  # the writer of the older connection
            return connection

    def drain(self, timeout: float) -> bool:
        """Wait until remote parties have taken all that is for them; says whether they have."""
        ends = time.monotonic() + timeout
        with self.lock:
            while self._closed is None:
                place = next(filter(self._owed, self._places.values()), None)
                if place is None:
                    return True
                if not self._wait(place.name, ends):
                    return False
        return False

    def _owed(self, place: _Place) -> bool:
        owed = len(self._boxes[place.name]) + len(place.departures)
        return owed > 0 and not place.has_left

    def _complaint(self, recipient: str) -> str:
        place = self._places.get(recipient)
        if place is None or place.connection is not None:
            return super()._complaint(recipient)
        away = time.monotonic() - place.lost_at
        return f"{recipient} has had no connection to the hub for {away:.0f} s"

    def _has_room(self, sender: str, recipient: str, size: int) -> bool:
        place = self._places.get(recipient)
        gone = place is not None and place.has_left
        return gone or super()._has_room(sender, recipient, size)

    def _put(self, sender: str, recipient: str, frame: bytes) -> None:
        place = self._places.get(recipient)
        if place is None or not place.has_left:  # who left would never fetch it
            super()._put(sender, recipient, frame)

    def _made_room(self, sender: str) -> None:
        place = self._places.get(sender)
        if place is None:
            super()._made_room(sender)
        else:
            self._forward(place)

    def _let_go(self, place: _Place) -> None:
        """A party has all it wants: nothing need wait for it any more."""
        place.has_left = True
        self._boxes[place.name].clear()
        for sender in self.names:
            self._made_room(sender)
        self._changed[place.name].notify_all()

    def _forward(self, place: _Place) -> None:
        """Move what arrived from a party into the mailboxes, as far as there is room."""
        now = time.monotonic()
        before = place.arrivals.due
        while place.waiting:
            recipients, frame = place.waiting[0]
            if not all(self._has_room(place.name, each, len(frame)) for each in recipients):
                break
            place.waiting.popleft()
            for recipient in recipients:
                self._put(place.name, recipient, frame)
            place.arrivals.take(len(frame), now)
        if place.arrivals.due != before:
            self._changed[place.name].notify_all()


class Connection:
    """One live connection of a remote party: a reader and a writer thread share it."""

    def __init__(self, session: HubSession, place: _Place) -> None:
        """Made by `HubSession.connect`, which holds the session's lock."""
        self._session = session
        self._place = place
        self._changed = session._changed[place.name]
        self._refusal: FederationError | None = None
        self.welcome = Welcome(
            arrived=place.arrivals.count,
            names=session.names,
            max_frame_bytes=session.limits.max_frame_bytes,
        )

    @property
    def party(self) -> str:
        """Who is connected."""
        return self._place.name

    def accept(self, message: bytes) -> None:
        """Take one message from the party; never waits for another party.

        Raises:
            PeerError: it cannot be accepted; the connection is at its end.
        """
        if is_acknowledgement(message):
            return self._acknowledge(decode_acknowledgement(message))
        if message == LEAVE:
            return self._leave()
        recipients = route(self.party, message, self._session.names, self._session.limits)
        with self._session.lock:
            if self._is_current():
                self._place.arrivals.arrive(len(message))
                self._place.waiting.append((recipients, message))
                self._session._forward(self._place)

    def next(self) -> bytes | None:
        """Wait for the next message to the party; None when the connection has had its day.

        Raises:
            FederationError: why the hub ends the connection for good.
        """
        with self._session.lock:
            while self._is_current():
                now = time.monotonic()
                message = self._place.arrivals.acknowledgement(now) or self._next_frame()
                if message is not None:
                    return message
                due = self._place.arrivals.due
                self._changed.wait(None if due is None else due - now)
            if self._refusal is not None:
                raise self._refusal
            if self._place.connection is self:
                self._session._check_open()
            return None

    def refuse(self, error: FederationError) -> None:
        """End the connection for good, telling the party why."""
        with self._session.lock:
            self._refusal = error
            self._changed.notify_all()

    def lose(self) -> bool:
        """The connection broke and the party may come back; False if it was at its end anyway."""
        with self._session.lock:
            was_current = self._is_current()
            if self._place.connection is self:
                self._place.connection = None
                self._place.lost_at = time.monotonic()
            self._changed.notify_all()
            return was_current

    def _leave(self) -> None:
        with self._session.lock:
            if self._is_current():
                self._place.connection = None
                self._session._let_go(self._place)

    def _is_current(self) -> bool:
        if self._place.connection is not self or self._refusal is not None:
            return False
        return self._session._closed is None

    def _acknowledge(self, count: int) -> None:
        with self._session.lock:
            if self._is_current():
                self._place.departures.acknowledge(count)
                self._changed.notify_all()

    def _next_frame(self) -> bytes | None:
        place, session = self._place, self._session
        if (frame := place.departures.next()) is not None:
            return frame
        size = session._boxes[place.name].next_size()
        fits = size is not None and place.departures.has_room(size)
        frame = session._take(place.name) if fits else None
        if frame is not None:
            place.departures.add(frame)
            place.departures.next()
        return frame
