"""How the coordinator gets parties to begin a session: Flower in a run, a list in a test.

Steering carries orders and answers of a few hundred bytes. Nothing of the exchange ever goes
through it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

Scalar: TypeAlias = str | int | float | bytes | bool
Order: TypeAlias = Mapping[str, Scalar]  # flat, as every carrier of messages has it


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back for an order.

    Args:
        order: number of the `begin` it answers.
        values: what the party reports; empty when it failed.
        failure: why it failed, in words; None when it did not.
        unreachable: the carrier lost sight of the node, which may well go on with the order.
    """

    order: int
    values: Order
    failure: str | None = None
    unreachable: bool = False


class Steering(Protocol):
    """Reaches the nodes of the parties, item party and partners."""

    def online(self) -> frozenset[str]:
        """Parties whose node is up and reachable, by name."""
        ...

    def begin(self, orders: Mapping[str, Order]) -> int:
        """Give each party its order; returns the number of this round of orders.

        A party that still works on an earlier order takes up this one when that has ended.
        """
        ...

    def answers(self) -> Mapping[str, Answer]:
        """The newest answer of each party; parties that have not answered are missing."""
        ...
