"""How the coordinator gathers one contribution a partner and step.

Rules:
1. Steps are collected in ascending order, the same steps from every partner. Whoever leads says
   which step is next, the others may not pass one over. A partner may lead the slowest one by
   `WINDOW` steps, which it knows from the coordinator's `Collected`, and never falls back.
2. Every partner contributes to a step exactly once; a second contribution is refused, so one step
   is never summed for two cohorts (differencing).
3. A sum is released only when every partner of the cohort is in it. A partner that is gone pauses
   the run: its sum is never released without it.
"""

from collections.abc import Sequence
from typing import Final, Generic, TypeVar

from federation.errors import OutOfTurnError, ReplayedError, SettingError, UnknownPeerError

WINDOW: Final = 4  # open steps; bounds the coordinator's memory and hides a round trip

Contribution = TypeVar("Contribution")


class Collector(Generic[Contribution]):
    """Gathers the contributions of a fixed cohort, step by step."""

    def __init__(self, cohort: Sequence[str], *, min_cohort: int) -> None:
        """Collect from `cohort`, in whose order sums are made.

        Raises:
            SettingError: the cohort is smaller than `min_cohort`.
        """
        self._cohort = tuple(dict.fromkeys(cohort))  # a name given twice is one partner
        if len(self._cohort) < min_cohort:
            raise SettingError(
                f"{len(self._cohort)} partners are fewer than exchange.min_cohort = {min_cohort}"
            )
        self._last = dict.fromkeys(cohort, -1)
        self._waiting: dict[int, dict[str, Contribution]] = {}

    @property
    def cohort(self) -> tuple[str, ...]:
        """The partners every sum is made of, in order."""
        return self._cohort

    def accept(
        self, sender: str, step: int, contribution: Contribution
    ) -> tuple[Contribution, ...] | None:
        """Take one contribution; returns all of the step's, in cohort order, once complete.

        Raises:
            UnknownPeerError: the sender is not in the cohort.
            ReplayedError: the sender contributed to this step or a later one before.
            OutOfTurnError: the sender passes over a step that others contributed to, or leads
                the others by more than `WINDOW` steps.
        """
        self.check(sender, step)
        self._last[sender] = step
        gathered = self._waiting.setdefault(step, {})
        gathered[sender] = contribution
        if len(gathered) < len(self._cohort):
            return None
        del self._waiting[step]
        return tuple(gathered[name] for name in self._cohort)

    def check(self, sender: str, step: int) -> None:
        """Raise what `accept` would, and change nothing: for a contribution not read yet."""
        if sender not in self._last:
            raise UnknownPeerError(f"{sender} is not in the cohort {', '.join(self._cohort)}")
        if step <= self._last[sender]:
            raise ReplayedError(f"{sender} contributed to step {step} before")
        due = min((s for s, by in self._waiting.items() if sender not in by), default=step)
        if step != due:
            raise OutOfTurnError(f"{sender} is at step {step} where step {due} was due")
        if len(self._waiting) >= WINDOW and step not in self._waiting:
            raise OutOfTurnError(f"{sender} is at step {step}, too far ahead of the others")
