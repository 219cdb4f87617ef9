"""What a running party tells whoever watches it: progress bars, logs, tests."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Stage(Enum):
    """What a run is busy with."""

    DATA = "data"
    ALIGNMENT = "alignment"
    TRAINING = "training"
    SERVING = "serving"
    BASELINES = "baselines"
    CHANNELS = "channels"
    EVALUATION = "evaluation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a stage has come.

    Args:
        stage: what the run is busy with.
        done: steps done of it.
        total: steps of it there are at most.
        recall: best validation recall so far; None before the first.
        note: a few words for people.
    """

    stage: Stage
    done: int
    total: int
    recall: float | None = None
    note: str = ""


Watcher = Callable[[Progress], None]


def ignore_progress(_: Progress) -> None:
    """Watch nothing."""
