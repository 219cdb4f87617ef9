"""Flower's part of a run: it gets an order to each node and brings the answer back.

Rules:
1. Nothing of the exchange rides on Flower's messages, only orders and answers of a few hundred
   bytes. What a node answers is checked like any other bytes of a peer.
2. A node is who the directory says it is; others are left alone, and the log names them.
3. An order says how long it is good for, because Flower keeps it until then.
4. What goes wrong at a node is told by its kind. Flower itself would send the coordinator the
   text of any exception, which may name files or users that are nobody else's business.
5. Flower's server may be away for a while. Nodes then look away too, and nothing is lost.
"""

import logging
import os
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

# A privacy product phones nobody; Flower reads these once, when it is imported.
os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")

import httpx
from flwr.app import Context, Message
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp

from federation.errors import PeerLostError
from federation.exchange.flower_directory import PARTY, Directory, Nodes
from federation.exchange.flower_messages import answer_of, content_of, failure_content, values_of
from federation.exchange.steering import Answer, Order, Steering

SESSION: Final = "train.session"  # an order to take part in a session
MESSAGE_TTL_S: Final = 7 * 24 * 3600.0

NodeConfig: TypeAlias = Mapping[str, str | int | float | bool]

logger = logging.getLogger(__name__)


class ClientNode(Protocol):
    """What a party does with what Flower brings it."""

    def name(self, config: NodeConfig) -> str:
        """Which party the node with this configuration is."""
        ...

    def serve(self, order: Order, config: NodeConfig) -> Order:
        """Follow an order to its end and report."""
        ...


@dataclass(frozen=True, slots=True)
class _Awaited:
    """What a message whose reply is due was for."""

    party: str
    node: int
    order: int


class FlowerSteering:
    """Reaches nodes through a ServerApp's grid; its methods may be called from any thread."""

    def __init__(
        self, grid: Grid, directory: Directory, *, message_ttl_s: float = MESSAGE_TTL_S
    ) -> None:
        """Steer nodes.

        Args:
            grid: of the run.
            directory: who is who.
            message_ttl_s: seconds an order is good for, from when it is given until its answer
                is in: longer than any session.
        """
        self._grid = grid
        self._directory = directory
        self._ttl_s = message_ttl_s
        self._lock = threading.Lock()
        self._over: str | None = None
        self._rounds = 0
        self._awaited: dict[str, _Awaited] = {}  # by message
        self._answers: dict[str, Answer] = {}

    def online(self) -> frozenset[str]:
        """Parties whose node is up, by name; none while Flower's server does not answer."""
        with self._lock, _forgiving():
            return frozenset(self._parties())
        return frozenset()

    def begin(self, orders: Mapping[str, Order]) -> int:
        """Give each party its order; one that cannot be reached answers with that at once."""
        with self._lock:
            self._rounds += 1
            self._forget(orders)
            nodes: Mapping[str, int] = {}
            with _forgiving():
                nodes = self._parties()
            for party, order in orders.items():
                self._send(party, nodes.get(party), order)
            return self._rounds

    def answers(self) -> Mapping[str, Answer]:
        """The newest answer of each party; parties that have not answered are missing."""
        with self._lock:
            up: Nodes = {}
            with _forgiving():
                up = self._nodes() if self._awaited else {}
                self._collect(up)
            away = [each for each in self._awaited.values() if each.node not in up]
            return {**self._answers, **{each.party: _away(each) for each in away}}

    def _nodes(self) -> Nodes:
        """Nodes that are up, with their keys."""
        return {node.node_id: node.public_key for node in self._grid.get_nodes()}

    def _parties(self) -> Mapping[str, int]:
        return {name: node for node, name in self._directory.names(self._nodes()).items()}

    def _forget(self, parties: Collection[str]) -> None:
        """What was asked of these parties before no longer matters."""
        for party in parties:
            self._answers.pop(party, None)
        self._awaited = {
            sent: awaited
            for sent, awaited in self._awaited.items()
            if awaited.party not in parties
        }

    def _send(self, party: str, node: int | None, order: Order) -> None:
        sent: list[str] = []
        if node is not None:
            message = Message(content_of(order), node, SESSION, ttl=self._ttl_s)
            with _forgiving():
                sent = [each for each in self._grid.push_messages([message]) if each]
        if node is not None and sent:
            self._awaited[sent[0]] = _Awaited(party, node, self._rounds)
        else:
            reason = f"Flower could not take the order for {party}: its node is not connected"
            self._answers[party] = Answer(order=self._rounds, values={}, failure=reason)

    def _collect(self, up: Nodes) -> None:
        # Flower forgets a message, and the reply to it, whose node is away when it is asked.
        sent = [sent for sent, awaited in self._awaited.items() if awaited.node in up]
        for reply in self._grid.pull_messages(sent) if sent else ():
            awaited = self._awaited.pop(reply.metadata.reply_to_message_id, None)
            if awaited is not None:
                party, order = awaited.party, awaited.order
                self._answers[party] = answer_of(reply, party=party, order=order)


@contextmanager
def _forgiving() -> Iterator[None]:
    """Go on when Flower's server does not answer: it will be asked again."""
    try:
        yield
    except httpx.HTTPError as error:
        logger.warning("Flower's server does not answer: %s", error)


Host: TypeAlias = Callable[[Steering], None]


def server_app(host: Host, directory: Callable[[Grid], Directory]) -> ServerApp:
    """The app of the coordinator's node.

    Args:
        host: leads the parties through a run; what it raises ends the app.
        directory: who is who, given the grid of the run.
    """
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        del context
        host(FlowerSteering(grid, directory(grid)))

    return app


def client_app(node: ClientNode) -> ClientApp:
    """The app of an item party's or a partner's node."""
    app = ClientApp()

    @app.train("session")
    def session(message: Message, context: Context) -> Message:
        return _reply(message, lambda: node.serve(values_of(message), context.node_config))

    @app.query("hello")
    def hello(message: Message, context: Context) -> Message:
        return _reply(message, lambda: {PARTY: node.name(context.node_config)})

    return app


def _away(awaited: _Awaited) -> Answer:
    reason = f"the node of {awaited.party} is not connected"
    return Answer(order=awaited.order, values={}, failure=reason, unreachable=True)


def _reply(message: Message, work: Callable[[], Order]) -> Message:
    try:
        content = content_of(work())
    except Exception as error:  # whatever it is, Flower would send its text to the coordinator
        logger.exception("the order from Flower ended with an error")
        # A lost peer is passed on by name, so that all hear of the first to fail.
        kind = str(error) if isinstance(error, PeerLostError) else type(error).__name__
        content = failure_content(kind)
    return Message(content, reply_to=message)
