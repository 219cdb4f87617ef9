"""Runs that are interrupted, killed or asked to end, and what continues them."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.simulations.cli.conftest import Ended
from tests.simulations.cli.program import (
    DEADLINE_S,
    QUICK,
    end,
    fedrecall,
    is_deaf_to_interrupts,
    start,
    task_workers,
    wait_until,
    workers_of,
)

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc")


@contextmanager
def running(*arguments: str | Path) -> Iterator["subprocess.Popen[str]"]:
    """The program, at work; nothing of it is left after the block."""
    process = start(*arguments)
    try:
        with process:
            yield process
    finally:
        try:
            # What tracks resources, and a worker still loading, end a moment after the program.
            wait_until(lambda: not workers_of(process), seconds=60)
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            raise


def way_on(folder: Path) -> str:
    return f"continue with: fedrecall simulate --resume {folder}\n"


def test_ctrl_c_while_workers_start_is_one_line_and_leaves_nobody(
    tiny: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    with running("simulate", "--data", tiny, "--out", folder, *QUICK) as process:
        wait_until(lambda: len(task_workers(process)) > 1)
        # From their first instruction: a traceback of theirs would bury the one line.
        assert all(map(is_deaf_to_interrupts, task_workers(process)))
        said = end(process, signal.SIGINT, group=True)
        assert process.returncode == 130
        assert said == f"interrupted; {way_on(folder)}"


def test_an_interrupted_and_then_killed_run_ends_with_the_recall_of_an_undisturbed_one(
    tiny: Path, tmp_path: Path, strict: Ended
) -> None:
    folder = tmp_path / "run"
    first_epoch = folder / "splits" / "0" / "parties" / "item" / "epoch-0.ckpt"
    with running("simulate", "--data", tiny, "--out", folder, *QUICK) as process:
        wait_until(first_epoch.exists)
        said = end(process, signal.SIGINT, group=False)
        assert process.returncode == 130
        assert said == f"interrupted; {way_on(folder)}"
    with running("simulate", "--resume", folder) as process:
        wait_until(first_epoch.with_name("epoch-1.ckpt").exists)
        end(process, signal.SIGKILL, group=True)
    assert not (folder / "report.json").exists()

    done = fedrecall("simulate", "--resume", folder)
    assert (done.returncode, done.stderr) == (0, "")
    resumed = Ended(folder, done).report
    assert resumed["systems"] == strict.report["systems"]
    assert resumed["lift"] == strict.report["lift"]
    assert any("interrupted and continued" in note for note in resumed["notes"])


def test_a_killed_worker_is_named_and_no_end_of_the_program_leaves_workers(
    tiny: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    with running("simulate", "--data", tiny, "--out", folder, *QUICK) as process:
        wait_until(lambda: len(task_workers(process)) > 1)
        os.kill(task_workers(process)[0], signal.SIGKILL)
        said = process.communicate(timeout=DEADLINE_S)[1]
        assert process.returncode == 1
        assert said.startswith("error: ")
        assert said.count("\n") == 1
        assert "ended from outside by SIGKILL" in said
        assert any(name in said for name in ("federated-0", "baselines-0"))
        assert said.endswith(way_on(folder))

    with running("simulate", "--resume", folder) as process:
        wait_until(lambda: len(task_workers(process)) > 1)
        said = end(process, signal.SIGTERM, group=False)
        assert process.returncode == 130
        assert said == f"interrupted; {way_on(folder)}"

    with running("simulate", "--resume", folder) as process:
        wait_until(lambda: len(task_workers(process)) > 1)
        # Only the program itself: its workers must notice on their own.
        process.kill()
        process.wait()
