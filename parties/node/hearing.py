"""What the parties themselves say of a session that has ended."""

import time
from collections.abc import Callable, Collection, Mapping
from typing import Final

from federation.errors import MalformedError
from federation.exchange.steering import Answer, Steering
from parties.config import ITEM
from parties.node.orders import Ending, SessionReport
from parties.node.watching import Patience

POLL_S: Final = 0.2


class Hearing:
    """Waits for the answers to one round of orders."""

    def __init__(
        self, steering: Steering, begun: int, members: Collection[str], patience: Patience
    ) -> None:
        """Hear the members on the session that the orders numbered `begun` were for."""
        self._steering, self._begun = steering, begun
        self._members, self._patience = frozenset(members), patience
        self._item_went_down = False
        self._item_up_since: float | None = None

    def reports(
        self, *, result_due: bool, given_up: Callable[[], bool]
    ) -> Mapping[str, SessionReport]:
        """Wait until all have reported, or those that still might have had time enough.

        Args:
            result_due: the item party works on its result and must report it, however long that
                takes; unless its node is started anew, which knows nothing of the order.
            given_up: whether nobody wants to know any more.
        """
        ends = time.monotonic() + self._patience.answers_s
        while not given_up():
            answers = self._answers()
            if set(answers) == self._members:
                return _read(answers)
            item_may_answer = result_due and ITEM not in answers and not self._item_is_new()
            if time.monotonic() > ends and not item_may_answer:
                return _read(answers)
            time.sleep(POLL_S)
        return {}

    def _answers(self) -> Mapping[str, Answer]:
        """Answers that settle something: a node that is out of reach may answer yet."""
        return {
            name: answer
            for name, answer in self._steering.answers().items()
            if name in self._members and answer.order == self._begun and not answer.unreachable
        }

    def _item_is_new(self) -> bool:
        """Whether the item party's node went down and has been up again for a while."""
        now = time.monotonic()
        if ITEM not in self._steering.online():
            self._item_went_down, self._item_up_since = True, None
        elif self._item_up_since is None:
            self._item_up_since = now
        up_since = self._item_up_since
        settled = up_since is not None and now - up_since > self._patience.settle_s
        return self._item_went_down and settled


def _read(answers: Mapping[str, Answer]) -> Mapping[str, SessionReport]:
    return {name: _report(answer) for name, answer in answers.items()}


def _report(answer: Answer) -> SessionReport:
    if answer.failure is not None:
        return SessionReport(ending=Ending.FAILED, reason=answer.failure)
    try:
        return SessionReport.from_values(answer.values)
    except MalformedError as error:
        return SessionReport(ending=Ending.FAILED, reason=str(error))
