"""The crew of worker processes; kills and interrupts are tested on the real program."""

from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import Pipe, active_children
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

import pytest

from parties.config import RunConfig
from parties.events import Progress, Stage
from simulations.errors import TaskFailedError
from simulations.scheduler import Done, Failure, run_tasks, serve_task, usable_cores
from simulations.splits import EvaluationConfig
from simulations.tasks import Task, TaskKind, TaskResult


def task(data: str, folder: Path, config: RunConfig, kind: TaskKind = TaskKind.FEDERATED) -> Task:
    return Task(
        kind=kind,
        data=data,
        seed=0,
        config=config,
        evaluation=EvaluationConfig(),
        folder=folder,
    )


def ignore(_: Task, __: Progress) -> None:
    """Watch nothing."""


@contextmanager
def pipe() -> Iterator[tuple[Connection, Connection]]:
    receiver, sender = Pipe(duplex=False)
    with receiver, sender:
        yield receiver, sender


def received(pipe: Connection) -> list[Any]:
    messages = []
    while pipe.poll():
        messages.append(pipe.recv())
    return messages


def test_a_worker_reports_its_progress_and_leaves_its_result(
    tiny: Path, tmp_path: Path, quick: RunConfig
) -> None:
    work = task(str(tiny), tmp_path, quick)
    with pipe() as (receiver, sender):
        serve_task(work, sender)
        *progress, last = received(receiver)
    assert isinstance(last, Done)
    assert all(isinstance(each, Progress) for each in progress)
    stages = [each.stage for each in progress]
    assert [*dict.fromkeys(stages)] == [Stage.ALIGNMENT, Stage.TRAINING, Stage.SERVING]
    assert progress[-1].done == progress[-1].total
    trained = [each for each in progress if each.stage is Stage.TRAINING]
    assert trained[-1].recall is not None
    assert TaskResult.load(work.result_path).systems[0].name == "federated"


def test_a_worker_that_cannot_work_says_why(tmp_path: Path, quick: RunConfig) -> None:
    with pipe() as (receiver, sender):
        serve_task(task("nosuch", tmp_path, quick), sender)
        (message,) = received(receiver)
    assert isinstance(message, Failure)
    assert message.kind == "DataSetMissingError"
    assert "'nosuch' is neither" in message.message


def test_a_worker_whose_parent_is_gone_ends_without_a_word(
    tmp_path: Path, quick: RunConfig, capfd: pytest.CaptureFixture[str]
) -> None:
    receiver, sender = Pipe(duplex=False)
    receiver.close()
    with sender:
        serve_task(task("nosuch", tmp_path, quick), sender)
    assert capfd.readouterr() == ("", "")


def test_a_failed_task_is_named_and_ends_the_others(tmp_path: Path, quick: RunConfig) -> None:
    tasks = [task("nosuch", tmp_path, quick, kind) for kind in TaskKind]
    with pytest.raises(TaskFailedError, match="federated-0: 'nosuch' is neither") as failure:
        run_tasks(tasks, ignore, processes=1)
    assert failure.value.kind == "DataSetMissingError"
    assert failure.value.task == "federated-0"
    assert not active_children()


def test_a_bug_in_a_worker_is_told_apart_from_a_kill(
    tmp_path: Path, quick: RunConfig, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = task(cast(str, 3), tmp_path, quick)
    with pytest.raises(TaskFailedError, match=r"an error of this program \(exit code 1\)"):
        run_tasks([broken], ignore)
    assert "TypeError" in capfd.readouterr().err  # what a bug report needs
    assert not active_children()


def test_nothing_to_do_is_done_at_once() -> None:
    run_tasks([], ignore)
    assert not active_children()


def test_there_is_a_core_to_run_on() -> None:
    assert usable_cores() >= 1
