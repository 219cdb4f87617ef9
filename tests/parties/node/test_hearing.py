"""Once a session has ended, the parties' own accounts decide what it was worth."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from federation.exchange.steering import Answer, Order
from parties.node.hearing import Hearing
from parties.node.orders import Ending, SessionReport
from parties.node.watching import Patience

MEMBERS = ("item", "social")
QUICK = Patience(answers_s=0.5, settle_s=0.5)
BEGUN = 4


@dataclass
class Nodes:
    """What Flower would say of the nodes."""

    up: frozenset[str] = frozenset(MEMBERS)
    given: dict[str, Answer] = field(default_factory=dict)

    def online(self) -> frozenset[str]:
        return self.up

    def begin(self, orders: Mapping[str, Order]) -> int:
        del orders
        return BEGUN

    def answers(self) -> Mapping[str, Answer]:
        return dict(self.given)


def answer(ending: Ending, *, order: int = BEGUN) -> Answer:
    return Answer(order=order, values=SessionReport(ending=ending, reason="why").to_values())


def hear(nodes: Nodes, *, result_due: bool, patience: Patience = QUICK) -> Mapping[str, Ending]:
    hearing = Hearing(nodes, BEGUN, MEMBERS, patience)
    reports = hearing.reports(result_due=result_due, given_up=lambda: False)
    return {name: report.ending for name, report in reports.items()}


def later(seconds: float, work: object) -> None:
    assert callable(work)
    threading.Timer(seconds, work).start()


def test_it_is_over_when_all_have_reported() -> None:
    nodes = Nodes(given={name: answer(Ending.DONE) for name in MEMBERS})
    began = time.monotonic()
    patience = replace(QUICK, answers_s=60.0)
    assert hear(nodes, result_due=True, patience=patience) == dict.fromkeys(MEMBERS, Ending.DONE)
    assert time.monotonic() - began < 5


def test_a_partner_that_is_silent_is_waited_for_a_while_only() -> None:
    nodes = Nodes(given={"item": answer(Ending.DONE)})
    assert hear(nodes, result_due=True) == {"item": Ending.DONE}


def test_the_item_partys_result_is_waited_for_as_long_as_it_takes() -> None:
    nodes = Nodes(given={"social": answer(Ending.DONE)})
    later(3 * QUICK.answers_s, lambda: nodes.given.update(item=answer(Ending.DONE)))
    assert hear(nodes, result_due=True) == dict.fromkeys(MEMBERS, Ending.DONE)


def test_no_result_is_waited_for_after_a_session_that_broke_off() -> None:
    assert hear(Nodes(), result_due=False) == {}


def test_an_item_party_that_was_started_anew_will_not_answer() -> None:
    nodes = Nodes(up=frozenset({"social"}), given={"social": answer(Ending.DONE)})
    later(2 * QUICK.answers_s, lambda: setattr(nodes, "up", frozenset(MEMBERS)))
    assert hear(nodes, result_due=True) == {"social": Ending.DONE}


def test_an_answer_of_an_earlier_order_is_none() -> None:
    nodes = Nodes(given={name: answer(Ending.DONE, order=BEGUN - 1) for name in MEMBERS})
    assert hear(nodes, result_due=False) == {}


def test_a_node_that_is_out_of_reach_may_answer_yet() -> None:
    unseen = Answer(order=BEGUN, values={}, failure="not connected", unreachable=True)
    nodes = Nodes(given={"item": unseen, "social": answer(Ending.DONE)})
    later(2 * QUICK.answers_s, lambda: nodes.given.update(item=answer(Ending.DONE)))
    assert hear(nodes, result_due=True) == dict.fromkeys(MEMBERS, Ending.DONE)


@pytest.mark.parametrize(
    "given",
    [Answer(order=BEGUN, values={}, failure="killed"), Answer(order=BEGUN, values={"ending": 3})],
    ids=["failure", "nonsense"],
)
def test_what_is_no_report_is_a_failure(given: Answer) -> None:
    nodes = Nodes(given={"item": given, "social": answer(Ending.LOST)})
    assert hear(nodes, result_due=True) == {"item": Ending.FAILED, "social": Ending.LOST}


def test_nobody_is_heard_once_the_operator_has_given_up() -> None:
    hearing = Hearing(Nodes(), BEGUN, MEMBERS, QUICK)
    assert hearing.reports(result_due=True, given_up=lambda: True) == {}
