"""A session ends when a party is lost for good, and for nothing less."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from federation.errors import PeerLostError
from federation.exchange.claims import Claim
from federation.exchange.hub import Admission, Hub
from federation.exchange.hub_session import Connection
from federation.exchange.steering import Answer, Order
from federation.protocol.limits import Limits
from parties.node.watching import Patience, Watch

NAMES = ("coordinator", "item", "social")
SESSION = b"s" * 16
TOKENS = {"item": b"i" * 32, "social": b"t" * 32}
ENDLESS = Patience(start_s=1e6, reconnect_s=1e6, settle_s=1e6, stale_s=1e6)
SOON_S = 10.0


@dataclass
class Nodes:
    """What Flower would say of the nodes."""

    up: frozenset[str] = frozenset(TOKENS)
    given: dict[str, Answer] = field(default_factory=dict)
    gone: bool = False

    def online(self) -> frozenset[str]:
        if self.gone:
            raise PeerLostError("Flower's server cannot be reached")
        return self.up

    def begin(self, orders: Mapping[str, Order]) -> int:
        del orders
        return 1

    def answers(self) -> Mapping[str, Answer]:
        return self.given


@pytest.fixture
def hub() -> Hub:
    hub = Hub(NAMES, Limits())
    hub.admit(Admission(session=SESSION, tokens=TOKENS))
    return hub


def join(hub: Hub, name: str) -> Connection:
    claim = Claim(party=name, session=SESSION, token=TOKENS[name], instance=b"n" * 16, arrived=0)
    return hub.enter(name, claim)


class Watching:
    """A watch that runs while a test looks at it."""

    def __init__(self, hub: Hub, nodes: Nodes, patience: Patience) -> None:
        self.stop = threading.Event()
        self.watch = Watch(hub, nodes, 1, patience)
        self._context = self.watch.running(tuple(TOKENS), self.stop.is_set)

    def __enter__(self) -> "Watching":
        self._context.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._context.__exit__(None, None, None)

    def verdict(self, within_s: float = SOON_S) -> str:
        ends = time.monotonic() + within_s
        while not self.watch.reason and time.monotonic() < ends:
            time.sleep(0.02)
        return self.watch.reason


def test_a_session_that_all_are_in_goes_on(hub: Hub) -> None:
    for name in TOKENS:
        join(hub, name)
    quick = Patience(start_s=0.1, reconnect_s=0.1, settle_s=0.1, stale_s=0.1)
    with Watching(hub, Nodes(), quick) as watching:
        assert watching.verdict(within_s=2.0) == ""


def test_a_party_that_never_joins_ends_the_session(hub: Hub) -> None:
    join(hub, "item")
    with Watching(hub, Nodes(), replace(ENDLESS, start_s=0.5)) as watching:
        assert watching.verdict().startswith("social did not join")


def test_a_party_that_loses_its_link_has_time_to_come_back(hub: Hub) -> None:
    join(hub, "item")
    join(hub, "social").lose()
    with Watching(hub, Nodes(), replace(ENDLESS, reconnect_s=3.0)) as watching:
        assert watching.verdict(within_s=1.5) == ""
        join(hub, "social")
        assert watching.verdict(within_s=3.0) == ""


def test_a_party_that_stays_away_ends_the_session(hub: Hub) -> None:
    join(hub, "item")
    nodes = Nodes()
    with Watching(hub, nodes, replace(ENDLESS, reconnect_s=1.0)) as watching:
        connection = join(hub, "social")
        time.sleep(1.2)  # long enough in the session not to count as never having joined
        connection.lose()
        assert watching.verdict().startswith("social was gone")


def test_a_node_that_was_started_again_ends_its_old_session(hub: Hub) -> None:
    join(hub, "item")
    join(hub, "social").lose()
    nodes = Nodes(up=frozenset({"item"}))
    patience = replace(ENDLESS, settle_s=0.5, stale_s=0.0)
    with Watching(hub, nodes, patience) as watching:
        assert watching.verdict(within_s=1.5) == ""
        nodes.up = frozenset(TOKENS)
        assert "is up again" in watching.verdict()


def test_a_failure_that_flower_reports_ends_the_session_at_once(hub: Hub) -> None:
    nodes = Nodes(given={"social": Answer(order=1, values={}, failure="killed")})
    with Watching(hub, nodes, ENDLESS) as watching:
        assert watching.verdict() == "social: killed"


def test_a_party_that_ended_its_session_ends_everyones(hub: Hub) -> None:
    nodes = Nodes(given={"social": Answer(order=1, values={"ending": "refused"})})
    with Watching(hub, nodes, ENDLESS) as watching:
        assert watching.verdict() == "social has ended its session"


@pytest.mark.parametrize(
    "answer",
    [
        Answer(order=1, values={}, failure="out of sight", unreachable=True),
        Answer(order=0, values={}, failure="an older order's"),
        Answer(order=1, values={"ending": "done"}),
    ],
    ids=["unreachable", "older", "done"],
)
def test_an_answer_that_says_nothing_against_it_lets_the_session_go_on(
    hub: Hub, answer: Answer
) -> None:
    with Watching(hub, Nodes(given={"social": answer}), ENDLESS) as watching:
        assert watching.verdict(within_s=1.5) == ""


def test_a_session_ends_when_nothing_can_be_steered_any_more(hub: Hub) -> None:
    with Watching(hub, Nodes(gone=True), ENDLESS) as watching:
        assert watching.verdict() == "Flower's server cannot be reached"


def test_an_operator_can_end_it(hub: Hub) -> None:
    transport = hub.attach("coordinator")
    with Watching(hub, Nodes(), ENDLESS) as watching:
        watching.stop.set()
        with pytest.raises(Exception, match="operator stopped the run"):
            transport.receive(SOON_S)
        assert watching.watch.stopped
