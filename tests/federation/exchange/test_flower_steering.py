"""Orders and answers through Flower's own grid."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from flwr.app import ConfigRecord, Context, Error, Message, MetricRecord, RecordDict
from flwr.superlink.grid import HttpGrid, InMemoryGrid

from federation.errors import EngineError, MalformedError, PeerLostError, TooLargeError
from federation.exchange.flower import (
    MESSAGE_TTL_S,
    FlowerSteering,
    NodeConfig,
    client_app,
    server_app,
)
from federation.exchange.flower_directory import HELLOS, Introductions, KnownKeys
from federation.exchange.flower_messages import (
    MAX_REASON_CHARACTERS,
    MAX_VALUE_BYTES,
    MAX_VALUES,
    content_of,
)
from federation.exchange.steering import Answer, Order, Steering
from tests.federation.exchange.flower_room import Room, node_key, openssh, pem

ORDER: Order = {
    "job": b"\x00\xff",
    "number": 3,
    "share": 0.5,
    "last": True,
    "settings": '{"é": 1}',
}


@dataclass
class Node:
    """A party's node that does what a test wants."""

    party: str
    work: Callable[[Order], Order] = field(default=lambda order: {"echo": order["number"]})

    def name(self, config: NodeConfig) -> str:
        return self.party

    def serve(self, order: Order, config: NodeConfig) -> Order:
        return self.work(order)


class Federation:
    """Item party and partner at a server of Flower's, known by their keys."""

    def __init__(self) -> None:
        self.room = Room()
        keys = {name: node_key() for name in ("item", "social")}
        self.nodes = {name: self.room.register(pem(key)) for name, key in keys.items()}
        self.directory = KnownKeys({name: openssh(key) for name, key in keys.items()})
        self.steering = FlowerSteering(self.room.grid, self.directory)

    def work(self, party: str, work: Callable[[Order], Order]) -> None:
        self.room.work(self.nodes[party], client_app(Node(party, work)))

    def order(self, *parties: str) -> int:
        return self.steering.begin({party: ORDER for party in parties})

    def answer(self, party: str = "item") -> Answer:
        return self.steering.answers()[party]


@pytest.fixture
def flower() -> Federation:
    return Federation()


def fail(error: Exception) -> Callable[[Order], Order]:
    def work(order: Order) -> Order:
        raise error

    return work


def test_an_order_arrives_as_it_was_given_and_its_answer_comes_back(flower: Federation) -> None:
    seen: list[Order] = []

    def work(order: Order) -> Order:
        seen.append(order)
        return {"ending": "done", "bytes": b"\x01"}

    number = flower.order("item", "social")
    assert flower.steering.answers() == {}
    flower.work("item", work)
    answers = flower.steering.answers()
    assert answers == {"item": Answer(order=number, values={"ending": "done", "bytes": b"\x01"})}
    assert seen == [ORDER]
    assert isinstance(seen[0]["last"], bool)
    flower.work("social", work)
    assert set(flower.steering.answers()) == {"item", "social"}
    assert flower.steering.answers()["item"] == answers["item"]


def test_a_party_is_known_by_its_key_and_by_nothing_else(
    flower: Federation, caplog: pytest.LogCaptureFixture
) -> None:
    strangers = [flower.room.register(pem(node_key())) for _ in range(2)]
    odd = [flower.room.register(public) for public in (b"\xff", b"no key")]
    with caplog.at_level(logging.WARNING):
        assert flower.steering.online() == {"item", "social"}
        assert flower.steering.online() == {"item", "social"}
    for node in strangers + odd:
        said = [line for line in caplog.messages if str(node) in line]
        assert said == [f"node {node} is left alone: its key is not on the roster"]


@pytest.mark.parametrize("text", ["", "no key", "ssh-ed25519 AAAA"])
def test_a_roster_of_unusable_node_keys_is_refused(text: str) -> None:
    with pytest.raises(MalformedError, match="no public key"):
        KnownKeys({"item": text})


def test_a_key_that_flower_has_no_use_for_is_refused() -> None:
    ed25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
    with pytest.raises(MalformedError, match="not an elliptic curve's"):
        KnownKeys({"item": ed25519})


def test_a_node_that_is_down_is_not_online(flower: Federation) -> None:
    flower.room.down(flower.nodes["social"])
    assert flower.steering.online() == {"item"}
    flower.room.up(flower.nodes["social"])
    assert flower.steering.online() == {"item", "social"}


def test_an_order_for_a_node_that_is_down_is_answered_at_once(flower: Federation) -> None:
    flower.room.down(flower.nodes["social"])
    number = flower.order("item", "social")
    answer = flower.answer("social")
    assert (answer.order, answer.values, answer.unreachable) == (number, {}, False)
    assert answer.failure == (
        "Flower could not take the order for social: its node is not connected"
    )
    flower.work("item", lambda order: {"fine": 1})
    assert flower.answer("item").values == {"fine": 1}


def test_a_reply_survives_that_its_node_was_away_when_it_was_asked_for(
    flower: Federation,
) -> None:
    number = flower.order("item")
    message = flower.room.take(flower.nodes["item"])
    flower.room.down(flower.nodes["item"])
    for _ in range(HELLOS):
        away = flower.answer()
        assert (away.order, away.unreachable) == (number, True)
        assert away.failure == "the node of item is not connected"
    flower.room.up(flower.nodes["item"])
    assert flower.steering.answers() == {}
    flower.room.reply(Message(content_of({"late": True}), reply_to=message))
    assert flower.answer() == Answer(order=number, values={"late": True})


def test_a_new_order_leaves_nothing_of_the_one_before(flower: Federation) -> None:
    flower.order("item", "social")
    flower.work("item", lambda order: {"first": 1})
    slow = flower.room.take(flower.nodes["social"])
    assert flower.answer().values == {"first": 1}
    second = flower.order("item", "social")
    assert flower.steering.answers() == {}
    flower.room.reply(Message(content_of({"first": 1}), reply_to=slow))
    assert flower.steering.answers() == {}
    flower.work("social", lambda order: {"second": 1})
    assert flower.answer("social") == Answer(order=second, values={"second": 1})


def test_orders_to_one_party_leave_the_others_alone(flower: Federation) -> None:
    first = flower.order("item", "social")
    flower.work("item", lambda order: {"first": 1})
    assert flower.answer().order == first
    flower.order("social")
    assert flower.answer().order == first


def test_the_coordinator_learns_the_kind_of_an_error_and_not_its_text(
    flower: Federation, caplog: pytest.LogCaptureFixture
) -> None:
    flower.order("item")
    with caplog.at_level(logging.ERROR):
        flower.work("item", fail(ValueError("anna@example.org is no user")))
    answer = flower.answer()
    assert answer.failure == "item failed: 'ValueError'"
    assert not answer.unreachable
    assert "anna@example.org" in caplog.text  # in the party's own log


def test_a_lost_peer_is_passed_on_by_name(flower: Federation) -> None:
    flower.order("item")
    flower.work("item", fail(PeerLostError("social stopped")))
    assert flower.answer().failure == "item failed: 'social stopped'"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (RecordDict(), "has no values"),
        (RecordDict({"values": MetricRecord({"a": 1.0})}), "has no values"),
        (RecordDict({"values": ConfigRecord({"a": [1, 2]})}), "'a' is a list"),
        (
            RecordDict({"values": ConfigRecord({str(n): n for n in range(MAX_VALUES + 1)})}),
            "65 values in one message where 64 may be",
        ),
        (
            RecordDict({"values": ConfigRecord({"a": b"x" * MAX_VALUE_BYTES})}),
            "a value of 131072 bytes where 131072 are allowed",
        ),
        (RecordDict({"values": ConfigRecord({"k" * (MAX_VALUE_BYTES + 1): 1})}), "a value of 0"),
    ],
)
def test_a_node_that_answers_nonsense_has_failed(
    flower: Federation, content: RecordDict, said: str
) -> None:
    number = flower.order("item")
    message = flower.room.take(flower.nodes["item"])
    flower.room.reply(Message(content, reply_to=message))
    answer = flower.answer()
    assert answer.order == number
    assert answer.values == {}
    assert answer.failure is not None
    assert answer.failure.startswith("item answers with what is none: ")
    assert said in answer.failure


def test_what_flower_says_of_a_failure_is_one_short_line(flower: Federation) -> None:
    flower.order("item")
    message = flower.room.take(flower.nodes["item"])
    error = Error(code=7, reason="refused\n\x1b[31m" + "x" * 10_000)
    flower.room.reply(Message(error, reply_to=message))
    failure = flower.answer().failure
    assert failure is not None
    assert failure.startswith("Flower has no answer of item (code 7): refused  [31mxxx")
    assert len(failure) == MAX_REASON_CHARACTERS
    assert failure.isprintable()


def test_a_failure_that_says_nothing_is_still_one(flower: Federation) -> None:
    flower.order("item", "social")
    for party, content in (
        ("item", RecordDict({"failed": ConfigRecord({})})),
        ("social", RecordDict({"failed": ConfigRecord({"kind": "\n" * 400})})),
    ):
        message = flower.room.take(flower.nodes[party])
        flower.room.reply(Message(content, reply_to=message))
    assert flower.answer("item").failure == "item failed: None"
    failure = flower.answer("social").failure
    assert failure is not None
    assert failure.isprintable()
    assert len(failure) == MAX_REASON_CHARACTERS


@pytest.mark.parametrize(
    ("order", "error"),
    [
        ({"a": [1]}, MalformedError),
        ({"a": None}, MalformedError),
        ({"a": b"x" * MAX_VALUE_BYTES}, TooLargeError),
        ({str(n): n for n in range(MAX_VALUES + 1)}, TooLargeError),
    ],
)
def test_an_order_that_no_node_would_take_is_not_sent(
    flower: Federation, order: Order, error: type[Exception]
) -> None:
    with pytest.raises(error):
        flower.steering.begin({"item": order})
    assert flower.room.state.num_message_ins() == 0


def test_a_node_refuses_an_order_that_is_none(flower: Federation) -> None:
    node = flower.nodes["item"]
    sent = Message(RecordDict({"values": ConfigRecord({"a": [1]})}), node, "train.session", ttl=9)
    (number,) = flower.room.grid.push_messages([sent])
    flower.work("item", fail(AssertionError("this was an order")))
    (reply,) = flower.room.grid.pull_messages([number])
    assert reply.content["failed"] == ConfigRecord({"kind": "MalformedError"})


def test_an_order_says_how_long_it_is_good_for(flower: Federation) -> None:
    flower.order("item")
    assert flower.room.take(flower.nodes["item"]).metadata.ttl == MESSAGE_TTL_S
    short = FlowerSteering(flower.room.grid, flower.directory, message_ttl_s=5.0)
    short.begin({"item": ORDER})
    assert flower.room.take(flower.nodes["item"]).metadata.ttl == 5.0


def test_a_simulated_party_says_who_it_is(caplog: pytest.LogCaptureFixture) -> None:
    room = Room()
    nodes = [room.register(name) for name in (b"1", b"2", b"3", b"4")]
    directory = Introductions(room.grid, ["item", "social"])
    steering = FlowerSteering(room.grid, directory)
    assert steering.online() == frozenset()
    for node, name in zip(nodes, ("item", "item", "nobody", "social"), strict=True):
        room.work(node, client_app(Node(name)))
    with caplog.at_level(logging.WARNING):
        assert steering.online() == {"item", "social"}
        assert steering.online() == {"item", "social"}
    alone = [line for line in caplog.messages if "is left alone" in line]
    assert len(alone) == 2
    for reason in ("it is 'item'", "it is 'nobody'"):
        assert sum(reason in line for line in alone) == 1
    room.down(nodes[3])
    assert steering.online() == {"item"}


@pytest.mark.parametrize("happens", [Room.fail, Room.outlive], ids=["lost", "too late"])
def test_a_simulated_party_whose_answer_does_not_come_is_asked_again(
    happens: Callable[[Room, int], None], caplog: pytest.LogCaptureFixture
) -> None:
    room = Room()
    node = room.register(b"1")
    steering = FlowerSteering(room.grid, Introductions(room.grid, ["item"]))
    assert steering.online() == frozenset()
    happens(room, node)
    with caplog.at_level(logging.WARNING):
        assert steering.online() == frozenset()
    assert "it is asked again" in caplog.text
    room.work(node, client_app(Node("item")))
    assert steering.online() == {"item"}


def test_a_simulated_party_that_never_answers_ends_the_run() -> None:
    room = Room()
    node = room.register(b"1")
    steering = FlowerSteering(room.grid, Introductions(room.grid, ["item"]))
    for _ in range(HELLOS):
        assert steering.online() == frozenset()
        room.fail(node)
    with pytest.raises(EngineError, match=f"no answer of node {node} .*: gone; .* asked 3 times"):
        steering.online()


class Talkative(InMemoryGrid):
    """Also hands out what nobody asked for."""

    extra: Message

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        return [*super().pull_messages(message_ids), self.extra]


def test_a_reply_that_nobody_asked_for_is_passed_over(flower: Federation) -> None:
    flower.order("social")
    flower.order("item")
    forgotten = flower.room.take(flower.nodes["social"])
    flower.room.grid.__class__ = Talkative
    assert isinstance(flower.room.grid, Talkative)
    flower.room.grid.extra = Message(content_of({"a": 1}), reply_to=forgotten)
    flower.steering.begin({"social": ORDER})
    assert flower.steering.answers() == {}


@pytest.fixture
def failing_server() -> Iterator[str]:
    """A server that answers every request with its own failure."""

    class Failing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_error(500)

        def log_message(self, *arguments: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Failing)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_server_that_fails_takes_nothing_down_with_it(
    flower: Federation, failing_server: str, caplog: pytest.LogCaptureFixture
) -> None:
    grid = HttpGrid(failing_server, insecure=True, token="none")  # noqa: S106 - there is none
    grid.set_run(flower.room.grid.run)
    steering = FlowerSteering(grid, flower.directory)
    with caplog.at_level(logging.WARNING):
        assert steering.online() == frozenset()
    assert "Flower's server does not answer" in caplog.text
    number = steering.begin({"item": ORDER})
    assert steering.answers()["item"].order == number
    assert steering.answers()["item"].failure is not None


def test_an_app_at_the_coordinator_steers_the_nodes_of_its_run(flower: Federation) -> None:
    seen: list[frozenset[str]] = []

    def host(steering: Steering) -> None:
        seen.append(steering.online())

    app = server_app(host, lambda grid: flower.directory)
    context = Context(run_id=7, node_id=0, node_config={}, state=RecordDict(), run_config={})
    app(flower.room.grid, context)
    assert seen == [{"item", "social"}]


def test_what_the_coordinators_work_raises_ends_the_app(flower: Federation) -> None:
    def host(steering: Steering) -> None:
        raise PeerLostError("no hub")

    app = server_app(host, lambda grid: flower.directory)
    context = Context(run_id=7, node_id=0, node_config={}, state=RecordDict(), run_config={})
    with pytest.raises(PeerLostError, match="no hub"):
        app(flower.room.grid, context)
