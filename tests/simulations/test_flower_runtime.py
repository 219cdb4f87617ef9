"""A federated task on Flower's simulation engine."""

import gc
import json
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from federation.exchange.steering import Order
from federation.protocol.profile import Profile
from parties.config import COORDINATOR, ITEM, RunConfig
from parties.events import Progress, Stage, ignore_progress
from parties.keys import make_federation_keys
from parties.node.jobs import JobStatus, all_jobs
from parties.node.orders import Ending, SessionOrder, SessionReport
from parties.settings import override, to_plain
from simulations.clock import Clock
from simulations.errors import NodeFailedError, SimulationError
from simulations.flower_runtime import HUB, NodeFolders, Nodes, carry_on_flower
from simulations.listening import Listening
from simulations.split import Split
from simulations.splits import EvaluationConfig
from simulations.tasks import Runtime, Task, TaskKind, TaskResult
from simulations.work import perform

PARTIES = (ITEM, "social", "video")

# Ray does not collect the processes that it ends, in whichever test that is noticed.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(scope="module", autouse=True)
def _ended_processes_are_collected() -> Iterator[None]:
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def task(data: Path, folder: Path, config: RunConfig, runtime: Runtime) -> Task:
    return Task(
        kind=TaskKind.FEDERATED,
        data=str(data),
        seed=config.seed,
        config=config,
        evaluation=EvaluationConfig(),
        folder=folder,
        runtime=runtime,
    )


@pytest.fixture(scope="module")
def seen() -> list[Progress]:
    return []


@pytest.fixture(scope="module")
def done(
    tiny: Path, tmp_path_factory: pytest.TempPathFactory, quick: RunConfig, seen: list[Progress]
) -> tuple[Task, TaskResult]:
    work = task(tiny, tmp_path_factory.mktemp("flower"), quick, Runtime.FLOWER)
    return work, perform(work, seen.append)


def test_flower_gives_the_recall_that_memory_gives(
    done: tuple[Task, TaskResult], tiny: Path, tmp_path: Path, quick: RunConfig
) -> None:
    here = perform(task(tiny, tmp_path, quick, Runtime.MEMORY), ignore_progress)
    there = done[1]
    for mine, theirs in zip(here.systems, there.systems, strict=True):
        assert {name: list(values) for name, values in mine.per_user.items()} == {
            name: list(values) for name, values in theirs.per_user.items()
        }
    assert [each.loss for each in here.curves["federated"]] == [
        each.loss for each in there.curves["federated"]
    ]
    assert (here.values, here.clipped) == (there.values, there.clipped)


def test_a_run_on_flower_reports_what_it_cost(done: tuple[Task, TaskResult]) -> None:
    result = done[1]
    assert set(result.sent) == {COORDINATOR, *PARTIES}
    assert all(result.sent[party]["forward"] > 0 for party in PARTIES[1:])
    assert {"data", "alignment", "training", "serving", "evaluation"} <= set(result.seconds)
    assert all(epoch.seconds > 0 for epoch in result.curves["federated"])
    assert result.cpu_seconds > 0
    assert result.peak_memory_bytes > 0
    assert not result.continued


def test_a_run_on_flower_says_how_far_it_is(
    done: tuple[Task, TaskResult], seen: list[Progress]
) -> None:
    assert seen, done
    assert {Stage.ALIGNMENT, Stage.TRAINING, Stage.SERVING} & {each.stage for each in seen}


def test_no_key_is_kept_and_no_partys_folder_is_open_to_others(
    done: tuple[Task, TaskResult],
) -> None:
    folders = NodeFolders(done[0].folder / "nodes")
    assert not folders.keys.exists()
    assert not list(folders.path.rglob("*.key"))
    for party in (COORDINATOR, *PARTIES):
        assert folders.log(party).parent.stat().st_mode & 0o777 == 0o700
    assert "is done" in folders.log(ITEM).read_text(encoding="utf-8")


def test_a_result_that_lies_there_is_taken_up_without_another_run(
    done: tuple[Task, TaskResult], tiny: Path, listening: Listening
) -> None:
    work, result = done
    clock = Clock(ignore_progress)
    carried = carry_on_flower(Split(work, listening), clock)
    assert carried.continued
    assert carried.sent == result.sent
    assert clock.seconds["training"] == result.seconds["training"]


@pytest.fixture
def split(tiny: Path, tmp_path: Path, quick: RunConfig, listening: Listening) -> Split:
    # The command refuses this before any work; here a party has to.
    config = override(quick, "encoder.width", 64)
    return Split(task(tiny, tmp_path, config, Runtime.FLOWER), listening)


@pytest.mark.slow
def test_what_a_party_refuses_ends_the_run_and_names_it(split: Split) -> None:
    with pytest.raises(NodeFailedError) as ended:
        carry_on_flower(split, Clock(ignore_progress))
    folders = NodeFolders(split.task.folder / "nodes")
    assert str(ended.value).startswith("item: social has only ")
    assert str(ended.value).endswith(f"each party's own log is in {folders.path}")
    (job,) = all_jobs(folders.state(COORDINATOR))
    assert job.progress().status is JobStatus.FAILED
    assert not folders.keys.exists()


@pytest.fixture
def ordered(tiny: Path, tmp_path: Path, quick: RunConfig) -> tuple[Nodes, Order]:
    """Nodes with keys, and an order to a hub that is not there."""
    config = replace(quick, profile=Profile.FROZEN)
    work = task(tiny, tmp_path, config, Runtime.FLOWER)
    folders = NodeFolders(tmp_path / "nodes")
    for place in (folders.used, *(folders.log(party).parent for party in PARTIES)):
        place.mkdir(parents=True)
    make_federation_keys(folders.keys, PARTIES[1:])
    order = SessionOrder(
        job=bytes(16), session=bytes(16), number=1, token=bytes(32), settings=to_plain(config)
    )
    return Nodes(work), {**order.to_values(), HUB: "127.0.0.1:1"}


def test_a_party_reports_what_it_refuses_and_notes_it(ordered: tuple[Nodes, Order]) -> None:
    nodes, order = ordered
    report = SessionReport.from_values(nodes("social", {**order, "settings": '{"seed": -1}'}))
    assert report.ending is Ending.REFUSED
    assert "seed must be at least 0" in report.reason
    folders = NodeFolders(nodes.task.folder / "nodes")
    note = json.loads(folders.note("social").read_text(encoding="utf-8"))
    assert SessionReport.from_values(note["report"]) == report
    assert "SettingError" in folders.log("social").read_text(encoding="utf-8")
    (used,) = folders.used.iterdir()
    assert json.loads(used.read_text(encoding="utf-8"))["cpu"] > 0


def test_a_defect_of_this_program_is_in_the_partys_log(ordered: tuple[Nodes, Order]) -> None:
    nodes, order = ordered
    lost = Nodes(replace(nodes.task, data="no-such-data"))
    with pytest.raises(SimulationError, match="no-such-data"):
        lost("social", order)
    said = NodeFolders(nodes.task.folder / "nodes").log("social").read_text(encoding="utf-8")
    assert "this process ends with an error" in said
    assert "Traceback" in said
