"""A whole simulation: every split, every system, one report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from federation.errors import SettingError
from parties.events import Progress
from simulations.data import DATA_SETS, load
from simulations.listening import Listening, listening_of
from simulations.preflight import check_runnable
from simulations.recording import record_run
from simulations.report import build_report, render_html, write_report, write_text
from simulations.run_folder import WORLD, Plan, RunFolder
from simulations.scheduler import Listener, run_tasks
from simulations.tasks import FIRST, Task, TaskKind, TaskResult
from simulations.world import PRESETS, WorldConfig, generate, write_world

DEMO_WORLD = "demo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run that may start: its settings were checked against its data.

    Args:
        plan: what to do.
        folder: where; results of finished tasks that lie there are kept.
        listening: the data.
    """

    plan: Plan
    folder: RunFolder
    listening: Listening = field(repr=False)


def begin(plan: Plan, path: Path) -> Run:
    """Check a plan against its data, and only then make the run's folder.

    Raises:
        RunFolderError: the folder exists, or cannot be made.
        SettingError: the settings cannot be run on this data.
        SimulationError, DataError: the data cannot be used.
    """
    with RunFolder.drafted(path) as draft:
        if plan.data == WORLD:
            write_world(generate(_world(plan)), draft.data)
        listening = _read(plan, draft)
        if plan.data not in (WORLD, *DATA_SETS):
            # A run may be continued from another working directory.
            plan = replace(plan, data=str(Path(plan.data).absolute()))
        draft.write_plan(plan)
    return Run(plan=plan, folder=RunFolder(path), listening=listening)


def resume(path: Path) -> Run:
    """Take up a run that stopped, or that only needs its report again.

    Raises:
        RunFolderError: this is no run folder, or one of another version.
        SettingError, SimulationError, DataError: as `begin`; the data may have changed since.
    """
    folder = RunFolder(path)
    plan = folder.read_plan()
    return Run(plan=plan, folder=folder, listening=_read(plan, folder))


def _world(plan: Plan) -> WorldConfig:
    try:
        return replace(PRESETS[DEMO_WORLD], seed=plan.config.run.seed)
    except ValueError as error:
        raise SettingError(str(error)) from error


def _read(plan: Plan, folder: RunFolder) -> Listening:
    listening = listening_of(load(folder.source(plan)).tables)
    check_runnable(plan, listening)
    return listening


def simulate(run: Run, listen: Listener, *, processes: int | None = None) -> Mapping[str, Any]:
    """Do what is not done yet and write the report.

    Args:
        run: what to do, where, on which data.
        listen: told of progress.
        processes: tasks at a time; one a usable core unless given.

    Returns:
        The report, as in report.json.

    Raises:
        SimulationError, CheckpointError, OSError: a task failed, or the folder cannot be used.
    """
    waves = _waves(run)
    tasks = [task for wave in waves for task in wave]
    waiting = [task for task in tasks if not task.result_path.exists()]
    run.folder.log(f"{len(waiting)} of {len(tasks)} tasks to do: {run.plan.command}")

    def note(task: Task, progress: Progress) -> None:
        if progress.done == progress.total:
            run.folder.log(f"{task.name}: {progress.stage.value} done")
        listen(task, progress)

    for wave in waves:
        run_tasks([task for task in wave if task in waiting], note, processes=processes)
    results = {(task.seed, task.kind): TaskResult.load(task.result_path) for task in tasks}
    report = build_report(record_run(run.plan, run.listening, results))
    write_report(report, run.folder.report_json)
    write_text(render_html(report), run.folder.report_html)
    run.folder.log("report written")
    return report


def _waves(run: Run) -> list[list[Task]]:
    """Tasks side by side, and after them those that need what they leave.

    Federated tasks come first: they take longest.
    """
    if not run.plan.channels:
        return [_tasks(run, FIRST)]
    return [_tasks(run, (*FIRST, TaskKind.CHANNELS)), _tasks(run, (TaskKind.FUSION,))]


def _tasks(run: Run, kinds: Sequence[TaskKind]) -> list[Task]:
    plan = run.plan
    return [
        Task(
            kind=kind,
            data=run.folder.source(plan),
            seed=seed,
            config=plan.config.run,
            evaluation=plan.config.evaluation,
            folder=run.folder.split(seed),
            runtime=plan.runtime,
            channels=plan.channels,
        )
        for kind in kinds
        for seed in plan.seeds
    ]
