from pathlib import Path

import numpy as np
import pytest

from parties.config import RunConfig
from simulations.errors import RunFolderError
from simulations.lift import SystemResult
from simulations.report import EpochRecord
from simulations.splits import EvaluationConfig
from simulations.tasks import Task, TaskKind, TaskResult


def result() -> TaskResult:
    scores = {"recall@50": np.array([0.0, 0.5, np.nan]), "ndcg@10": np.array([1.0, 0.25, 0.0])}
    names = ("partner:social", "partner:social-2")  # one a prefix of the other
    return TaskResult(
        systems=tuple(
            SystemResult(name=name, per_user=scores, lists={"coverage@50": 0.5}) for name in names
        ),
        curves={
            "federated": (EpochRecord(epoch=1, loss=2.0, validation_recall=0.1, seconds=3.0),)
        },
        seconds={"training": 1.5},
        cpu_seconds=2.5,
        peak_memory_bytes=1 << 20,
        sent={"social": {"forward": 7}},
        values=4,
        clipped=1,
        continued=True,
    )


def test_a_result_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "federated.result"
    result().save(path)
    back = TaskResult.load(path)
    for mine, theirs in zip(back.systems, result().systems, strict=True):
        assert mine.name == theirs.name
        assert mine.lists == theirs.lists
        assert mine.per_user.keys() == theirs.per_user.keys()
        for name, values in mine.per_user.items():
            np.testing.assert_array_equal(values, theirs.per_user[name])
    for name in ("curves", "seconds", "cpu_seconds", "sent", "values", "clipped", "continued"):
        assert getattr(back, name) == getattr(result(), name)


@pytest.mark.parametrize("cut", [0, 10, 500])
def test_a_damaged_result_is_refused_by_name(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "federated.result"
    result().save(path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(RunFolderError, match=rf"{path} is damaged: remove it"):
        TaskResult.load(path)


def test_a_result_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="none"):
        TaskResult.load(tmp_path / "none")


def test_a_task_is_named_after_its_split(tmp_path: Path) -> None:
    task = Task(
        kind=TaskKind.BASELINES,
        data="world",
        seed=3,
        config=RunConfig(),
        evaluation=EvaluationConfig(),
        folder=tmp_path,
    )
    assert task.name == "baselines-3"
    assert task.result_path == tmp_path / "baselines.result"
