"""What a person sees while a run goes on, on a terminal and elsewhere."""

import io
import os
import pty
import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from parties.config import RunConfig
from parties.events import Progress, Stage
from simulations.cli.progress import LiveProgress
from simulations.splits import EvaluationConfig
from simulations.tasks import Task, TaskKind
from tests.simulations.cli.program import PROGRAM, QUICK, environment


def task(kind: TaskKind = TaskKind.FEDERATED) -> Task:
    return Task(
        kind=kind,
        data="tiny",
        seed=3,
        config=RunConfig(),
        evaluation=EvaluationConfig(),
        folder=Path("nowhere"),
    )


def shown(*reports: tuple[Task, Progress], terminal: bool = True, width: int = 100) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=width, color_system=None)
    with LiveProgress(console) as bars:
        for each, progress in reports:
            bars.show(each, progress)
        bars.refresh()
    return file.getvalue()


def test_a_bar_says_stage_step_and_recall() -> None:
    progress = Progress(stage=Stage.TRAINING, done=3, total=12, recall=0.1234)
    said = shown((task(), progress))
    for text in ("split 3", "federation", "training", "3/12", "recall 0.123"):
        assert text in said


def test_a_comparison_names_the_system_it_trains() -> None:
    progress = Progress(stage=Stage.BASELINES, done=1, total=5, note="partner:social")
    said = shown((task(TaskKind.BASELINES), progress))
    assert "partner:social" in said
    assert "1/5" in said
    assert "recall" not in said


def test_a_new_stage_takes_the_place_of_the_old_one() -> None:
    first = Progress(stage=Stage.ALIGNMENT, done=2, total=2)
    second = Progress(stage=Stage.TRAINING, done=1, total=4)
    other = Progress(stage=Stage.BASELINES, done=0, total=5)
    said = shown((task(), first), (task(TaskKind.BASELINES), other), (task(), second))
    last = said[said.rindex("comparison") - 60 :]
    assert "training" in last
    assert "alignment" not in last


def test_bars_fit_a_terminal_of_80_columns() -> None:
    progress = Progress(
        stage=Stage.BASELINES, done=1, total=5, note="partner:identity", recall=0.1
    )
    said = shown((task(TaskKind.BASELINES), progress), width=80)
    assert "partner:identity" in said
    assert "1/5" in said
    assert "recall 0.100" in said


def test_what_is_no_terminal_is_told_nothing() -> None:
    progress = Progress(stage=Stage.TRAINING, done=3, total=12, recall=0.1)
    assert shown((task(), progress), terminal=False) == ""


@pytest.mark.slow
def test_a_run_on_a_terminal_shows_its_bars_and_clears_them(tiny: Path, tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [
            PROGRAM,
            "simulate",
            "--data",
            tiny,
            "--out",
            tmp_path / "run",
            *QUICK,
            "--set=training.epochs=9",
        ],
        stdout=subprocess.PIPE,
        stderr=follower,
        env={**environment(), "TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(follower)
    said = b""
    try:
        while part := os.read(leader, 4096):
            said += part
    except OSError:  # the end of a terminal whose other side was closed
        pass
    finally:
        os.close(leader)
        process.communicate(timeout=30)
    assert process.returncode == 0
    for text in ("training", "recall 0.", "comparison", "federation"):
        assert text in said.decode()
