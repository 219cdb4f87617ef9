"""The pieces of a simulation that run side by side, and what each leaves behind."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Final

import numpy as np

from parties.archive import Arrays, pack_arrays, unpack_arrays
from parties.checkpoints import write_whole
from parties.config import RunConfig
from parties.errors import CheckpointError
from simulations.channels.names import ChannelName
from simulations.errors import RunFolderError
from simulations.lift import SystemResult
from simulations.report import EpochRecord
from simulations.splits import EvaluationConfig


class TaskKind(Enum):
    """What a task trains and judges."""

    FEDERATED = "federated"
    BASELINES = "baselines"
    CHANNELS = "channels"  # the platform's own: trained, and their lists kept
    FUSION = "fusion"  # of those lists with the federated one; after both


FIRST: Final = (TaskKind.FEDERATED, TaskKind.BASELINES)  # of every run, side by side
MAIN: Final = ""  # where a result keeps `systems`, beside the comparisons of channels


class Runtime(Enum):
    """What runs the parties of a federated task and carries their messages."""

    MEMORY = "memory"  # threads of one process, joined by queues
    FLOWER = "flower"  # Flower's simulation engine: a process a party, joined by the exchange hub


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One process's work.

    Args:
        kind: what it trains.
        data: name or folder of the data set.
        seed: of the split; the run's own seed plus the number of the split.
        config: the run.
        evaluation: how it is judged.
        folder: where checkpoints and the result go.
        runtime: what runs the parties.
        channels: which of the platform's own channels are compared and fused with the federated
            one; none leaves every warm user's listening to training.
    """

    kind: TaskKind
    data: str
    seed: int
    config: RunConfig
    evaluation: EvaluationConfig
    folder: Path
    runtime: Runtime = Runtime.MEMORY
    channels: tuple[ChannelName, ...] = ()

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self.kind.value}-{self.seed}"

    @property
    def result_path(self) -> Path:
        """Where the result lies once the task is done."""
        return self.folder / f"{self.kind.value}.result"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """What a task leaves behind.

    Args:
        systems: judged on the split's cold users.
        groups: name of a comparison of channels → systems, judged on its own users.
        facts: figures of a comparison of channels that are nobody's score.
        curves: trained system → its epochs.
        seconds: stage → wall-clock seconds.
        cpu_seconds: of the process.
        peak_memory_bytes: highest resident memory of the process.
        sent: party → stage → bytes; empty for baselines.
        values: numbers of embeddings that partners sent forward.
        clipped: numbers that were cut to the fixed-point range.
        continued: whether an earlier process did a part of the work, whose cost is unknown.
    """

    systems: tuple[SystemResult, ...] = field(default=(), repr=False)
    curves: Mapping[str, tuple[EpochRecord, ...]] = field(default_factory=dict, repr=False)
    seconds: Mapping[str, float] = field(default_factory=dict)
    cpu_seconds: float = 0.0
    peak_memory_bytes: int = 0
    sent: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    values: int = 0
    clipped: int = 0
    continued: bool = False
    groups: Mapping[str, tuple[SystemResult, ...]] = field(default_factory=dict, repr=False)
    facts: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def save(self, path: Path) -> None:
        """Write the result whole or not at all."""
        groups = {MAIN: self.systems, **self.groups}
        scores = {
            f"{group}/{system.name}/{metric}": values
            for group, systems in groups.items()
            for system in systems
            for metric, values in system.per_user.items()
        }
        rest = {
            "lists": {
                group: {system.name: dict(system.lists) for system in systems}
                for group, systems in groups.items()
            },
            "facts": self.facts,
            "curves": {
                name: [asdict(epoch) for epoch in curve] for name, curve in self.curves.items()
            },
            "seconds": dict(self.seconds),
            "cpu_seconds": self.cpu_seconds,
            "peak_memory_bytes": self.peak_memory_bytes,
            "sent": {party: dict(stages) for party, stages in self.sent.items()},
            "values": self.values,
            "clipped": self.clipped,
            "continued": self.continued,
        }
        text = np.frombuffer(json.dumps(rest).encode(), np.uint8)
        write_whole(path, pack_arrays({"rest": text, **scores}))

    @classmethod
    def load(cls, path: Path) -> "TaskResult":
        """Read a result; raises RunFolderError when it is damaged."""
        try:
            arrays = unpack_arrays(path.read_bytes())
            rest = json.loads(arrays.pop("rest").tobytes())
            groups = {
                group: tuple(_systems(arrays, group, lists))
                for group, lists in rest.pop("lists").items()
            }
            curves = {
                name: tuple(EpochRecord(**epoch) for epoch in epochs)
                for name, epochs in rest.pop("curves").items()
            }
            return cls(systems=groups.pop(MAIN), groups=groups, curves=curves, **rest)
        except (CheckpointError, OSError, KeyError, ValueError, TypeError) as error:
            raise RunFolderError(
                f"{path} is damaged: remove it, so that its task is done again"
            ) from error


def _systems(
    arrays: Arrays, group: str, lists: Mapping[str, Mapping[str, float]]
) -> Iterator[SystemResult]:
    for name, values in lists.items():
        prefix = f"{group}/{name}/"
        scores: dict[str, Any] = {
            key.removeprefix(prefix): array
            for key, array in arrays.items()
            if key.startswith(prefix)
        }
        yield SystemResult(name=name, per_user=scores, lists=values)
