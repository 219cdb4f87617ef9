"""What can be done to a run, and what may come of it."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from deploy.rehearsal.errors import RehearsalError
from deploy.rehearsal.outcomes import Outcome
from deploy.rehearsal.rehearsal import Rehearsal
from parties.config import COORDINATOR, ITEM

CUT_S: Final = 90.0
LONGEST_PAUSE_S: Final = 5.0


class Disturbance(Enum):
    """What is done to a run."""

    PARTNER = "partner"  # everything on a partner's host is killed
    ITEM = "item"
    COORDINATOR = "coordinator"
    LINK = "link"  # a partner's line is cut for CUT_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One disturbance of one run.

    Args:
        disturbance: what is done.
        victim: to whom.
        step: at which training step.
        pause_s: seconds until a killed party's node is started again.
    """

    disturbance: Disturbance
    victim: str
    step: int
    pause_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of a case.

    Args:
        case: what was done.
        met_at: step the run was at when it was done.
        seconds: from the disturbance to the run's end.
        sessions: the run took.
        recall: it ended with; None if it did not end well.
        equal: whether the model of every party is the reference's.
        counted_once: whether no release and no epoch was counted twice.
        problem: what went wrong otherwise.
    """

    case: Case
    met_at: int = -1
    seconds: float = 0.0
    sessions: int = 0
    recall: float | None = None
    equal: bool = False
    counted_once: bool = False
    problem: str = ""

    @property
    def passed(self) -> bool:
        """Whether the run was as good as undisturbed."""
        return self.equal and self.counted_once and not self.problem


def read_cases(text: str) -> list[Disturbance]:
    """Read `partner:2,item:1`.

    Raises:
        RehearsalError: it is something else.
    """
    wanted: list[Disturbance] = []
    for part in text.split(","):
        name, _, count = part.strip().partition(":")
        try:
            wanted += [Disturbance(name)] * int(count or 1)
        except ValueError:
            known = ", ".join(each.value for each in Disturbance)
            raise RehearsalError(
                f"{part!r} is no case: write one of {known}, a colon and how often"
            ) from None
    return wanted


def draw(
    wanted: Sequence[Disturbance], federation: Rehearsal, reference: Outcome, *, seed: int
) -> list[Case]:
    """Decide victims, steps and pauses; the same seed decides the same."""
    rng = random.Random(seed)  # noqa: S311 - it decides when to fail, and guards nothing
    partners = [name for name in federation.parties if name not in (COORDINATOR, ITEM)]
    cases = []
    for disturbance in wanted:
        fixed = {Disturbance.ITEM: ITEM, Disturbance.COORDINATOR: COORDINATOR}
        cases.append(
            Case(
                disturbance=disturbance,
                victim=fixed.get(disturbance) or rng.choice(partners),
                step=rng.randrange(1, reference.steps),
                pause_s=rng.uniform(0, LONGEST_PAUSE_S),
            )
        )
    return cases


def disturb(federation: Rehearsal, case: Case) -> None:
    """Do what the case says, and mend it."""
    host = federation.parties[case.victim].host
    if case.disturbance is Disturbance.LINK:
        host.cut()
        time.sleep(CUT_S)
        host.restore()
        return
    federation.kill(case.victim)
    time.sleep(case.pause_s)
    federation.start(case.victim)


def line_of(verdict: Verdict) -> str:
    """A verdict as a line."""
    case = verdict.case
    did = f"{case.disturbance.value:<12} {case.victim:<12} at step {verdict.met_at:>4}"
    if verdict.problem:
        return f"{did}  FAILED: {verdict.problem}"
    return (
        f"{did}  {'as undisturbed' if verdict.passed else 'NOT AS UNDISTURBED'}  "
        f"recall@50 {verdict.recall:.6f}  {verdict.sessions} sessions  {verdict.seconds:.0f} s"
    )
