"""How the item party's progress reaches whoever follows the run at the coordinator.

A report tells the coordinator the stage, the step and the best validation recall, and nothing
else: never a progress' note, which is for people at the item party.
"""

import time
from collections.abc import Callable
from typing import Final

from federation.errors import MalformedError
from federation.exchange.link import Link
from federation.protocol.messages import ProgressReport
from parties.config import COORDINATOR
from parties.events import Progress, Stage, Watcher

INTERVAL_S: Final = 0.5  # often enough for a progress bar, and nothing beside a batch's bytes
MILLION: Final = 1_000_000


class ProgressReporter:
    """A watcher that also tells the coordinator, at most every `INTERVAL_S`.

    The first report of a stage and its last one always go out.
    """

    def __init__(
        self, link: Link, watch: Watcher, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Report over `link`, which must have greeted, and to `watch`."""
        self._link = link
        self._watch = watch
        self._clock = clock
        self._due = clock()
        self._stage: Stage | None = None
        self._withheld: Progress | None = None
        self._silent = False

    def __call__(self, progress: Progress) -> None:
        """Take note of how far the party has come.

        Raises:
            PeerLostError: the coordinator cannot be told.
        """
        self._watch(progress)
        if self._silent:
            return
        if progress.stage is not self._stage:
            self._flush()
            self._send(progress)
        elif progress.done == progress.total or self._clock() >= self._due:
            self._send(progress)
        else:
            self._withheld = progress

    def end(self) -> None:
        """Tell the coordinator the last of it, and nothing from now on: its run is over."""
        self._flush()
        self._silent = True

    def _flush(self) -> None:
        if self._withheld is not None:
            self._send(self._withheld)

    def _send(self, progress: Progress) -> None:
        self._link.post(COORDINATOR, to_report(progress))
        self._stage, self._withheld = progress.stage, None
        self._due = self._clock() + INTERVAL_S


def to_report(progress: Progress) -> ProgressReport:
    """What the coordinator is told of some progress."""
    recall = -1 if progress.recall is None else round(progress.recall * MILLION)
    return ProgressReport(progress.stage.value, progress.done, progress.total, recall)


def to_progress(report: ProgressReport) -> Progress:
    """Read a report; raises MalformedError when it says what cannot be."""
    try:
        stage = Stage(report.stage)
    except ValueError:
        raise MalformedError("a progress report is of no known stage") from None
    if report.done > report.total or report.recall > MILLION:
        raise MalformedError(
            f"a progress report says {report.done} of {report.total} steps and a recall of "
            f"{report.recall} millionths"
        )
    recall = None if report.recall < 0 else report.recall / MILLION
    return Progress(stage=stage, done=report.done, total=report.total, recall=recall)
