"""Whole runs by the real console program."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from subprocess import run
from typing import Any

import pytest

from federation.protocol.profile import Profile
from parties.config import RunConfig
from parties.events import ignore_progress
from simulations.cli.program import run as program
from simulations.report.schema import check
from simulations.report.wording import system_label
from simulations.splits import EvaluationConfig
from simulations.tasks import Task, TaskKind, TaskResult
from simulations.work import perform
from tests.simulations.cli.conftest import Ended
from tests.simulations.cli.program import QUICK, fedrecall

SYSTEMS = (
    "popularity",
    "own",
    "partner:social",
    "partner:video",
    "federated",
    "central",
    "shuffled",
)


def recall(report: dict[str, Any], system: str = "federated") -> float:
    value: float = report["systems"][system]["recall@50"]["mean"]
    return value


def federated(tiny: Path, folder: Path, config: RunConfig) -> TaskResult:
    """The federated task alone, in this process."""
    task = Task(
        kind=TaskKind.FEDERATED,
        data=str(tiny),
        seed=0,
        config=config,
        evaluation=EvaluationConfig(),
        folder=folder,
    )
    return perform(task, ignore_progress)


def test_a_strict_run_leaves_a_valid_report_and_prints_a_summary(strict: Ended) -> None:
    assert strict.process.returncode == 0
    assert strict.process.stderr == ""
    check(strict.report)
    assert tuple(strict.report["systems"]) == SYSTEMS
    assert "<html" in (strict.folder / "report.html").read_text()
    said = strict.process.stdout
    assert all(system_label(name) in said for name in SYSTEMS)
    assert f"{recall(strict.report):.3f}" in said
    assert str(strict.folder / "report.html") in said
    assert "not yet accounted" in said


def test_a_summary_that_is_piped_never_breaks_a_sentence(strict: Ended) -> None:
    first, *_ = strict.process.stdout.splitlines()
    assert first.startswith("world · strict · recall@50 of ")
    assert first.endswith("1 split")
    assert max(map(len, strict.process.stdout.splitlines()[1:-3])) <= 80


def test_the_same_seed_gives_the_same_recall(
    strict: Ended, tiny: Path, quick: RunConfig, tmp_path: Path
) -> None:
    again = federated(tiny, tmp_path, quick)
    first = TaskResult.load(strict.folder / "splits" / "0" / "federated.result")
    mine, theirs = again.systems[0].per_user, first.systems[0].per_user
    assert {name: values.tolist() for name, values in mine.items()} == {
        name: values.tolist() for name, values in theirs.items()
    }
    assert recall(strict.report) == pytest.approx(float(mine["recall@50"].mean()))


def test_a_finished_run_taken_up_again_only_writes_its_report_anew(
    strict: Ended, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(strict.folder, tmp_path / "run")
    (folder / "report.json").unlink()
    assert program(["simulate", "--resume", str(folder)]) == 0
    assert (folder / "report.json").read_text() == (strict.folder / "report.json").read_text()
    said = capfd.readouterr().out
    assert said.replace(str(folder), str(strict.folder)) == strict.process.stdout


@pytest.mark.parametrize(
    "profile", [Profile.FROZEN, pytest.param(Profile.PLAIN, marks=pytest.mark.slow)]
)
def test_the_other_profiles_run_the_same_way_and_json_is_the_report(
    profile: Profile, tiny: Path, tmp_path: Path, quick: RunConfig
) -> None:
    folder = tmp_path / "run"
    done = fedrecall(
        *("simulate", "--data", tiny, "--out", folder, "--json"),
        *("--profile", profile.value, "--processes", "2", *QUICK),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (folder / "report.json").read_text()
    report = json.loads(done.stdout)
    check(report)
    assert report["profile"] == profile.value
    again = federated(tiny, tmp_path, replace(quick, profile=profile))
    assert recall(report) == pytest.approx(float(again.systems[0].per_user["recall@50"].mean()))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB, of which 300 KiB are left beside the ballast."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if mount is None or umount is None:
        pytest.skip("there is no mount")
    options = ["-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if run([mount, *options], capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    (folder / "ballast").write_bytes(bytes((4 << 20) - (300 << 10)))
    yield folder
    run([umount, "-l", str(folder)], check=True)


def test_a_full_disk_is_one_clear_error_and_the_run_goes_on_once_there_is_room(
    small_disk: Path, tiny: Path, strict: Ended, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = small_disk / "run"
    assert program(["simulate", "--data", str(tiny), "--out", str(folder), *QUICK]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "No space left on device" in err
    assert str(folder) in err
    assert f"fedrecall simulate --resume {folder}" in err
    assert "stopped: " in (folder / "log.txt").read_text()
    (small_disk / "ballast").unlink()
    assert program(["simulate", "--resume", str(folder), "--json"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert recall(json.loads(out)) == recall(strict.report)


def test_a_disk_too_full_to_begin_leaves_no_folder(
    small_disk: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = small_disk / "run"
    assert program(["simulate", "--out", str(out)]) == 1  # its world alone takes megabytes
    said = capfd.readouterr().err
    assert said == f"error: {out} cannot be made: No space left on device\n"
    assert [path.name for path in small_disk.iterdir()] == ["ballast"]
