"""A whole simulation: every split, every system, one report."""

from collections.abc import Mapping
from typing import Any

from parties.events import Progress
from simulations.data import load
from simulations.listening import listening_of
from simulations.preflight import check_runnable
from simulations.recording import record_run
from simulations.report import build_report, render_html, write_report, write_text
from simulations.run_folder import Plan, RunFolder
from simulations.scheduler import Listener, run_tasks
from simulations.tasks import Task, TaskKind, TaskResult


def simulate(
    plan: Plan, folder: RunFolder, listen: Listener, *, processes: int | None = None
) -> Mapping[str, Any]:
    """Run what is not done yet and write the report.

    Args:
        plan: what to do.
        folder: where; results of finished tasks that lie there are kept.
        listen: told of progress.
        processes: tasks at a time; one a usable core unless given.

    Returns:
        The report, as in report.json.

    Raises:
        SettingError: the settings cannot be run on this data.
        SimulationError, DataError: the data or the folder cannot be used, or a task failed.
    """
    log = folder.logger()
    listening = listening_of(load(plan.data).tables)
    check_runnable(plan, listening)
    tasks = _tasks(plan, folder)
    waiting = [task for task in tasks if not task.result_path.exists()]
    log.info("%d of %d tasks to do: %s", len(waiting), len(tasks), plan.command)

    def note(task: Task, progress: Progress) -> None:
        if progress.done == progress.total:
            log.info("%s: %s done", task.name, progress.stage.value)
        listen(task, progress)

    run_tasks(waiting, note, processes=processes)
    results = {(task.seed, task.kind): TaskResult.load(task.result_path) for task in tasks}
    report = build_report(record_run(plan, listening, results))
    write_report(report, folder.report_json)
    write_text(render_html(report), folder.report_html)
    log.info("report written")
    return report


def _tasks(plan: Plan, folder: RunFolder) -> list[Task]:
    """Federated tasks first: they take longest."""
    return [
        Task(
            kind=kind,
            data=plan.data,
            seed=seed,
            config=plan.config.run,
            evaluation=plan.config.evaluation,
            folder=folder.split(seed),
        )
        for kind in TaskKind
        for seed in plan.seeds
    ]
