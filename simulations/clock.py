"""Seconds by stage and by step of one run, from the progress it reports."""

import time
from collections.abc import Mapping

from parties.events import Progress, Stage, Watcher


class Clock:
    """Seconds by stage, from the progress a run reports."""

    def __init__(self, watch: Watcher) -> None:
        self._watch = watch
        self._stage: Stage | None = None
        self._since = self._began = time.monotonic()
        self.seconds: dict[str, float] = {}
        self.steps: dict[int, float] = {}

    def __call__(self, progress: Progress) -> None:
        """Note a report and pass it on."""
        self.enter(progress.stage)
        if progress.stage is Stage.TRAINING:
            self.steps[progress.done] = time.monotonic() - self._began
        self._watch(progress)

    def tell(self, progress: Progress) -> None:
        """Pass on a report of somebody who has a clock of its own."""
        self._watch(progress)

    def take_over(self, seconds: Mapping[str, float], steps: Mapping[int, float]) -> None:
        """Add what somebody else's clock has measured."""
        for stage, spent in seconds.items():
            self.seconds[stage] = self.seconds.get(stage, 0.0) + spent
        self.steps.update(steps)

    def enter(self, stage: Stage | None) -> None:
        """Book the time since the last change to the stage that ends now."""
        if stage is self._stage:
            return
        now = time.monotonic()
        if self._stage is not None:
            name = self._stage.value
            self.seconds[name] = self.seconds.get(name, 0.0) + now - self._since
        if stage is Stage.TRAINING and self._stage is not Stage.TRAINING:
            self._began = now
        self._stage, self._since = stage, now
