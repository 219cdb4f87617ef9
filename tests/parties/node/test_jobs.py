"""A coordinator's jobs lie on its disk, so that a restart finds them as they were."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from federation.protocol.profile import Profile
from parties.config import RunConfig, TrainingConfig
from parties.errors import JobError
from parties.node.jobs import (
    Job,
    JobProgress,
    JobStatus,
    all_jobs,
    job_folder,
    new_job,
    open_job,
)

CONFIG = RunConfig(profile=Profile.FROZEN, seed=7, training=TrainingConfig(epochs=3))


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return new_job(tmp_path / "state", CONFIG)


def test_a_job_is_found_again_with_its_settings(job: Job, tmp_path: Path) -> None:
    found = open_job(tmp_path / "state", job.name)
    assert found == job
    assert found.config.agreement() == CONFIG.agreement()


def test_two_jobs_never_share_a_name(tmp_path: Path) -> None:
    first, second = (new_job(tmp_path, CONFIG) for _ in range(2))
    assert first.name != second.name
    assert [each.name for each in all_jobs(tmp_path)] == [first.name, second.name]


def test_a_job_folder_is_its_owners_alone(job: Job) -> None:
    assert job.folder.stat().st_mode & 0o077 == 0


def test_a_new_job_waits(job: Job) -> None:
    assert job.progress() == JobProgress()
    assert job.progress().status is JobStatus.WAITING
    assert not job.progress().status.over


def test_progress_is_read_back_as_it_was_noted(job: Job) -> None:
    noted = JobProgress(
        status=JobStatus.RUNNING,
        session=2,
        reason="social was lost",
        missing=("social",),
        stage="training",
        done=3,
        total=9,
        recall=0.25,
        sent={"item": {"control": 4}},
        seconds=1.5,
    )
    job.note(noted)
    read = job.progress()
    assert read.updated > 0
    assert replace(read, updated=0.0) == noted


@pytest.mark.parametrize("status", [JobStatus.DONE, JobStatus.STOPPED, JobStatus.FAILED])
def test_a_job_that_ended_is_over(status: JobStatus) -> None:
    assert status.over


def test_whoever_works_on_a_job_sees_that_it_is_to_stop(job: Job) -> None:
    assert not job.stop_asked
    job.ask_to_stop()
    assert job.stop_asked


def test_an_unknown_job_is_refused_with_the_known_ones(job: Job, tmp_path: Path) -> None:
    with pytest.raises(JobError, match=job.name):
        open_job(tmp_path / "state", "0" * 32)
    with pytest.raises(JobError, match="it holds: none"):
        open_job(tmp_path / "empty", "0" * 32)


def test_a_job_name_never_leaves_the_folder(job: Job, tmp_path: Path) -> None:
    with pytest.raises(JobError):
        open_job(tmp_path / "state", f"../jobs/{job.name}")


@pytest.mark.parametrize(
    "content",
    ["{", "[]", "{}", '{"version": 2}', '{"version": 1, "id": "zz", "settings": {}}'],
)
def test_a_damaged_job_is_refused_by_name(job: Job, tmp_path: Path, content: str) -> None:
    (job.folder / "job.json").write_text(content)
    with pytest.raises(JobError, match=job.name):
        open_job(tmp_path / "state", job.name)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"status": "odd", "missing": []}'])
def test_damaged_progress_is_refused_by_name(job: Job, content: str) -> None:
    (job.folder / "progress.json").write_text(content)
    with pytest.raises(JobError, match="progress"):
        job.progress()


def test_a_state_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(JobError, match="state"):
        job_folder(tmp_path / "state", b"j" * 16)


def test_what_is_noted_is_plain_json(job: Job) -> None:
    content = json.loads((job.folder / "job.json").read_text())
    assert content["settings"]["profile"] == "frozen"
