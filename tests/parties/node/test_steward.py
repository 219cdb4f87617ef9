"""The coordinator's steward with a real SuperLink: its roster and its jobs."""

import json
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from federation.errors import PeerLostError
from federation.exchange.flower_control import Control, RunState
from federation.exchange.flower_runtime import Runtime
from parties.config import RunConfig
from parties.keys.roster import read_roster
from parties.node import steward as steward_module
from parties.node.jobs import Job, JobProgress, JobStatus, new_job
from parties.node.party_file import PartyFile, read_party_file
from parties.node.steward import MOST_FAILURES, Steward
from parties.role import Role
from tests.federation.exchange.flower_network import place, superlink_at, until
from tests.parties.node.conftest import NodeMaker
from tests.parties.node.gates import Lines


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Control]:
    folder = tmp_path_factory.mktemp("superlink")
    with superlink_at(place(folder, "coordinator"), folder) as control:
        yield control


@pytest.fixture
def party(node: NodeMaker) -> PartyFile:
    file = read_party_file(node(Role.COORDINATOR))
    file.paths.flower.mkdir(parents=True)
    return file


def a_steward(control: Control, party: PartyFile) -> Steward:
    with warnings.catch_warnings():
        # Flower 1.41 names a pattern that pathspec has renamed.
        warnings.filterwarnings("ignore", "GitWildMatchPattern", DeprecationWarning)
        return Steward(control, party, read_roster(party.roster).nodes())


def noted_run(party: PartyFile, job: Job) -> int:
    noted = json.loads((party.paths.flower / "run.json").read_text())
    assert noted["job"] == job.name
    return int(noted["run"])


def end_run(control: Control, steward: Steward, run: int) -> None:
    control.stop(run)
    steward._present.due = 0.0


def test_the_rosters_nodes_are_registered_first(control: Control, party: PartyFile) -> None:
    a_steward(control, party).step()
    nodes = read_roster(party.roster).nodes()
    known = {node.name for node in control._known_nodes()}
    assert known == set(nodes) == {"item", "social", "forum"}


def test_a_new_job_is_submitted_once(control: Control, party: PartyFile) -> None:
    steward = a_steward(control, party)
    steward.step()
    job = new_job(party.state, RunConfig())
    steward.step()
    run = noted_run(party, job)
    assert control.report(run).state is RunState.WAITING  # nobody here runs it
    steward.step()
    assert noted_run(party, job) == run
    assert control.unfinished() == [run]
    control.stop(run)


def test_a_job_whose_run_has_ended_gets_another_and_says_why(
    control: Control, party: PartyFile
) -> None:
    steward = a_steward(control, party)
    job = new_job(party.state, RunConfig())
    steward.step()
    first = noted_run(party, job)
    control.stop(first)
    steward.step()  # notices, and waits a moment
    assert noted_run(party, job) == first
    assert job.progress().status is JobStatus.WAITING
    assert f"run {first} ended before the job was over" in job.progress().reason
    steward._present.due = 0.0
    steward.step()
    second = noted_run(party, job)
    assert second != first
    end_run(control, steward, second)


def test_a_job_that_gets_nowhere_is_given_up(control: Control, party: PartyFile) -> None:
    steward = a_steward(control, party)
    job = new_job(party.state, RunConfig())
    for _ in range(MOST_FAILURES):
        steward.step()
        end_run(control, steward, noted_run(party, job))
        steward.step()
        steward._present.due = 0.0
    assert job.progress().status is JobStatus.FAILED
    assert control.unfinished() == []


def test_a_job_that_reached_another_session_has_all_its_tries_again(
    control: Control, party: PartyFile
) -> None:
    steward = a_steward(control, party)
    job = new_job(party.state, RunConfig())
    for session in range(1, MOST_FAILURES + 2):
        steward.step()
        job.note(JobProgress(status=JobStatus.RUNNING, session=session))
        end_run(control, steward, noted_run(party, job))
        steward.step()
        steward._present.due = 0.0
    assert job.progress().status is JobStatus.WAITING
    job.note(JobProgress(status=JobStatus.DONE))


def test_a_job_that_is_over_is_left_alone(control: Control, party: PartyFile) -> None:
    steward = a_steward(control, party)
    job = new_job(party.state, RunConfig())
    steward.step()
    run = noted_run(party, job)
    job.note(JobProgress(status=JobStatus.DONE))
    control.stop(run)
    steward.step()
    assert control.unfinished() == []
    assert job.progress().status is JobStatus.DONE


def test_a_job_that_is_stopped_before_it_begins_is_never_submitted(
    control: Control, party: PartyFile
) -> None:
    job = new_job(party.state, RunConfig())
    job.ask_to_stop()
    a_steward(control, party).step()
    assert job.progress().status is JobStatus.STOPPED
    assert control.unfinished() == []


def test_a_job_whose_app_does_not_listen_is_stopped_without_it(
    control: Control, party: PartyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    steward = a_steward(control, party)
    job = new_job(party.state, RunConfig())
    steward.step()
    run = noted_run(party, job)
    job.ask_to_stop()
    steward.step()
    assert not job.progress().status.over  # its app has time to end it itself
    monkeypatch.setattr(steward_module, "STOPPING_S", 0.0)
    steward.step()
    assert job.progress().status is JobStatus.STOPPED
    assert control.report(run).state is RunState.STOPPED


def test_a_steward_that_is_started_again_goes_on_with_the_run_that_is_on(
    control: Control, party: PartyFile
) -> None:
    first = a_steward(control, party)
    job = new_job(party.state, RunConfig())
    first.step()
    run = noted_run(party, job)
    second = a_steward(control, party)
    second.step()
    assert noted_run(party, job) == run
    assert control.unfinished() == [run]
    control.stop(run)


def test_runs_of_an_earlier_up_are_ended_and_the_job_goes_on_in_another(
    control: Control, party: PartyFile
) -> None:
    job = new_job(party.state, RunConfig())
    a_steward(control, party).step()
    old = noted_run(party, job)
    (party.paths.flower / "run.json").unlink()  # as `up` does
    a_steward(control, party).step()
    new = noted_run(party, job)
    assert new != old
    assert control.unfinished() == [new]
    control.stop(new)


def test_a_damaged_note_is_no_note(control: Control, party: PartyFile) -> None:
    (party.paths.flower / "run.json").write_text("{")
    assert a_steward(control, party)._present.run is None


def test_a_superlink_that_is_away_is_waited_for_and_told_once(
    party: PartyFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = place(tmp_path, "nowhere")
    lines = Lines()
    steward_module.logger.addHandler(lines)
    monkeypatch.setattr(steward_module, "POLL_S", 0.05)
    stop = threading.Event()
    server = Runtime(address=here.address, authority=here.files.certificate)
    with Control(server) as control:
        steward = a_steward(control, party)
        with pytest.raises(PeerLostError):
            steward.step()
        thread = threading.Thread(target=steward.run, args=[stop])
        thread.start()
        until(lambda: bool(lines.written))
        stop.wait(0.5)
        stop.set()
        thread.join()
    steward_module.logger.removeHandler(lines)
    assert len(lines.written) == 1
    assert "trying again" in str(lines.written[0]["text"])
