"""The status that a node writes, what it is read from, and one node a state folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from federation.exchange.traffic import Stage
from parties.config import RunConfig
from parties.errors import NodeError
from parties.node.activity import Activity, LedgerFollower, coordinator_activity, quietly
from parties.node.children import ChildState, ChildStatus
from parties.node.jobs import JobStatus, job_folder, new_job
from parties.node.status import NodeStatus, is_up, only_one, read_status, write_status


def test_a_status_is_read_as_it_was_written(tmp_path: Path) -> None:
    child = ChildStatus(
        name="gate", state=ChildState.WAITING, pid=None, restarts=1, since=2.0, code=-9
    )
    status = NodeStatus(
        party="social", role="partner", pid=1, started=1.0, written=2.0, children=(child,)
    )
    assert not status.healthy
    write_status(tmp_path / "status.json", status)
    values = read_status(tmp_path / "status.json")
    assert values == json.loads(json.dumps(status.to_plain()))
    assert values is not None
    assert values["children"][0]["state"] == "waiting"


def test_a_node_that_never_ran_has_no_status(tmp_path: Path) -> None:
    assert read_status(tmp_path / "status.json") is None


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 99}', "\x00"])
def test_a_damaged_status_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "status.json").write_text(text)
    with pytest.raises(NodeError, match=r"status\.json"):
        read_status(tmp_path / "status.json")


def test_a_second_node_with_the_same_state_folder_is_refused(tmp_path: Path) -> None:
    assert not is_up(tmp_path)
    with only_one(tmp_path):
        assert is_up(tmp_path)
        with pytest.raises(NodeError, match=f"process {os.getpid()}"), only_one(tmp_path):
            pytest.fail("two nodes hold one state folder")
        assert is_up(tmp_path)
    assert not is_up(tmp_path)
    with only_one(tmp_path):
        pass


def test_a_killed_node_leaves_its_state_folder_free(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from parties.node.status import only_one\n"
        "with only_one(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert is_up(tmp_path)
        holder.kill()
    with only_one(tmp_path):
        pass


def test_a_coordinator_tells_of_its_newest_job(tmp_path: Path) -> None:
    assert coordinator_activity(tmp_path) == Activity()
    job = new_job(tmp_path, RunConfig())
    before = job.progress()
    job.note(
        type(before)(
            status=JobStatus.RUNNING,
            session=2,
            stage="training",
            done=3,
            total=9,
            missing=("social",),
            sent={"item": {"backward": 7}},
        )
    )
    activity = coordinator_activity(tmp_path)
    assert (activity.job, activity.status, activity.session) == (job.name, "running", 2)
    assert (activity.step, activity.steps) == (3, 9)
    assert activity.sent == {"item backward": 7}
    assert activity.missing == ("social",)
    assert activity.last > 0


def test_a_damaged_job_is_told_and_stops_no_node(tmp_path: Path) -> None:
    job = new_job(tmp_path, RunConfig())
    (job.folder / "job.json").write_text("{")
    assert "job.json" in quietly(tmp_path).reason


def ledger_line(**content: object) -> str:
    return json.dumps(content) + "\n"


def test_a_party_counts_what_its_ledger_gained(tmp_path: Path) -> None:
    follower = LedgerFollower(tmp_path)
    assert follower.activity() == Activity()
    ledger = job_folder(tmp_path, bytes(16)) / "ledger.jsonl"
    forward, backward = Stage.FORWARD.value, Stage.BACKWARD.value
    ledger.write_text(
        ledger_line(event="opened", session="00")
        + ledger_line(event="release", phase=forward, step=1, bytes=10)
        + ledger_line(event="release", phase=backward, step=1, bytes=5)
        + "{torn"
    )
    first = follower.activity()
    assert (first.job, first.session, first.stage, first.step) == ("00" * 16, 1, backward, 1)
    assert first.sent == {forward: 10, backward: 5}
    with ledger.open("r+") as file:
        file.seek(0, os.SEEK_END)
        file.seek(file.tell() - len("{torn"))
        file.write("no json\n[]\n" + ledger_line(event="opened", session="01"))
        file.write(ledger_line(event="release", phase=forward, step=2, bytes=1))
    second = follower.activity()
    assert (second.session, second.stage, second.step) == (2, forward, 2)
    assert second.sent == {forward: 11, backward: 5}
    assert follower.activity() == second


def test_a_new_job_is_counted_anew(tmp_path: Path) -> None:
    follower = LedgerFollower(tmp_path)
    for number, name in enumerate((bytes(16), bytes([1]) * 16)):
        ledger = job_folder(tmp_path, name) / "ledger.jsonl"
        ledger.write_text(ledger_line(event="release", phase="forward", step=number, bytes=1))
        os.utime(ledger, (1000 + number, 1000 + number))
        activity = follower.activity()
        assert activity.job == name.hex()
        assert activity.sent == {"forward": 1}
