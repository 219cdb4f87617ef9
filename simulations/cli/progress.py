"""Progress bars: one line a running task, with stage, step, recall so far and time left."""

from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import (
    Progress as Bars,
)
from rich.table import Column

from parties.events import Progress, Stage
from simulations.tasks import Task, TaskKind

_KINDS: Final = {
    TaskKind.FEDERATED: "federation",
    TaskKind.BASELINES: "comparison",
    TaskKind.CHANNELS: "channels",
    TaskKind.FUSION: "fusion",
}


class LiveProgress:
    """Shows what every task is at; a terminal sees bars, a log file sees nothing."""

    def __init__(self, console: Console) -> None:
        self._bars = Bars(
            TextColumn("{task.description}", table_column=Column(no_wrap=True)),
            BarColumn(bar_width=12),
            MofNCompleteColumn(),
            TextColumn("{task.fields[recall]}", table_column=Column(no_wrap=True)),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._lines: dict[tuple[str, Stage], TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def refresh(self) -> None:
        """Draw now, instead of with the next tick."""
        self._bars.refresh()

    def show(self, task: Task, progress: Progress) -> None:
        """Move a task's bar; a new stage begins a new one."""
        key = (task.name, progress.stage)
        if key not in self._lines:
            for (name, stage), line in list(self._lines.items()):
                if name == task.name:
                    self._bars.remove_task(line)
                    del self._lines[name, stage]
            self._lines[key] = self._bars.add_task(_label(task, progress), recall="")
        recall = "" if progress.recall is None else f"recall {progress.recall:.3f}"
        self._bars.update(
            self._lines[key],
            completed=progress.done,
            total=progress.total,
            description=_label(task, progress),
            recall=recall,
        )


def _label(task: Task, progress: Progress) -> str:
    kind = _KINDS[task.kind]
    what = f"{progress.stage.value} {progress.note}".strip()
    return f"split {task.seed} · {kind} · {what}"
