"""What the coordinator notes of a job while it runs."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from parties.events import Progress, Stage
from parties.node.jobs import Job, JobProgress

EVERY_S: Final = 1.0  # between two notes of mere progress


class Notes:
    """Keeps a job's progress.json up to date."""

    def __init__(self, job: Job) -> None:
        """Go on from what the job's folder says."""
        self._job = job
        self.now: JobProgress = job.progress()
        self._lock = threading.Lock()
        self._written = 0.0
        self._complete: Callable[[], bool] = bool
        self._met: float | None = None  # when the session had everybody

    def write(self, **changes: Any) -> JobProgress:  # noqa: ANN401 - fields of JobProgress
        """Change some fields and write at once."""
        with self._lock:
            self.now = replace(self.now, **changes)
            self._job.note(self.now)
            self._written = time.monotonic()
            return self.now

    def begin_session(self, complete: Callable[[], bool]) -> None:
        """Time the session that begins.

        Args:
            complete: whether everybody has joined.
        """
        self._complete, self._met = complete, None

    def watch(self, progress: Progress) -> None:
        """Take the item party's word on how far the parties are."""
        if self._met is None and self._complete():
            self._met = time.monotonic()
        changes: dict[str, Any] = {
            "stage": progress.stage.value,
            "done": progress.done,
            "total": progress.total,
            "recall": self.now.recall if progress.recall is None else progress.recall,
        }
        first = progress.stage is Stage.TRAINING and self.now.stage != progress.stage.value
        if first and self._met is not None:
            changes["seconds"] = time.monotonic() - self._met
        ended = progress.done == progress.total and self.now.done != progress.done
        if first or ended or self._due():
            self.write(**changes)
        else:
            self.now = replace(self.now, **changes)

    def sent_by(self, party: str, stages: Mapping[str, int]) -> None:
        """Add the bytes that a party sent in a session."""
        before = self.now.sent.get(party, {})
        total = {
            stage: before.get(stage, 0) + stages.get(stage, 0) for stage in {*before, *stages}
        }
        self.write(sent={**self.now.sent, party: total})

    def _due(self) -> bool:
        return time.monotonic() - self._written >= EVERY_S
