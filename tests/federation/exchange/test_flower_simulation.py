"""Flower's simulation engine: real processes, and nothing left of them."""

import gc
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import pytest
from flwr.app import Context, Message, RecordDict

from federation.errors import EngineError
from federation.exchange import flower_simulation
from federation.exchange.flower import client_app
from federation.exchange.flower_messages import content_of
from federation.exchange.flower_simulation import (
    HOST_GRACE_S,
    LONGEST_FOLDER,
    STARTS,
    Leader,
    PartyNodes,
    simulate_apps,
)
from federation.exchange.steering import Answer, Order, Steering
from tests.federation.exchange.engine_run import PARTIES
from tests.federation.exchange.flower_room import Room
from tests.processes import PROC, descendants, runs, wait_for_the_end_of

DEADLINE_S = 60.0

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


def no_stop() -> None:
    raise AssertionError("the leader was asked to stop")


def tell(party: str, order: Order) -> Order:
    """Where a party's work is done; a party named in the order fails."""
    if party == order["failing"]:
        raise ValueError("anna@example.org")
    with Path(str(order["meet"]), party).open("w") as file:
        file.write("here")
    while len(list(Path(str(order["meet"])).iterdir())) < len(PARTIES):
        time.sleep(0.05)  # a joint session: everyone waits for everyone
    return {
        "process": os.getpid(),
        "threads": os.environ["OMP_NUM_THREADS"],
        "niceness": os.nice(0),
    }


def listeners(process: int) -> set[str]:
    """Addresses that a process listens on, as the kernel writes them."""
    links = []
    for link in (PROC / str(process) / "fd").iterdir():
        with suppress(FileNotFoundError):  # it has just been closed
            links.append(str(link.readlink()))
    sockets = {link[8:-1] for link in links if link.startswith("socket:[")}
    lines = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in (PROC / "net" / table).read_text().splitlines()[1:]
    ]
    return {line[1].split(":")[0] for line in lines if line[3] == "0A" and line[9] in sockets}


@dataclass
class Seen:
    answers: Mapping[str, Answer] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    processes: list[int] = field(default_factory=list)
    addresses: set[str] = field(default_factory=set)
    folder: Path = Path()
    modes: dict[str, int] = field(default_factory=dict)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """What a leader and its parties saw of one run, and its error after it."""
    meet = tmp_path_factory.mktemp("meet")
    seen = Seen()

    others = descendants(os.getpid())  # of other tests

    def host(steering: Steering) -> None:
        parties = (*PARTIES, "forum")
        while steering.online() != set(parties):
            time.sleep(0.1)
        order: Order = {"meet": str(meet), "failing": "forum"}
        steering.begin(dict.fromkeys(parties, order))
        while len(steering.answers()) < len(parties):
            time.sleep(0.1)
        seen.answers = steering.answers()
        seen.environment = dict(os.environ)
        seen.folder = Path(os.environ["FLWR_HOME"])
        seen.modes = {path.name: path.stat().st_mode & 0o777 for path in seen.folder.iterdir()}
        seen.modes["."] = seen.folder.stat().st_mode & 0o777
        seen.processes = [each for each in descendants(os.getpid()) if each not in others]
        for process in seen.processes:
            seen.addresses |= listeners(process)
        raise ConnectionError("the leader's own")

    before = dict(os.environ), signal.getsignal(signal.SIGTERM), logging.getLogger("flwr").level
    with pytest.raises(ConnectionError, match="the leader's own"):
        simulate_apps(Leader(host=host, stop=no_stop), tell, (*PARTIES, "forum"))
    after = dict(os.environ), signal.getsignal(signal.SIGTERM), logging.getLogger("flwr").level
    assert after == before
    return seen


def test_every_party_works_in_a_process_of_its_own_at_the_same_time(seen: Seen) -> None:
    processes = {seen.answers[party].values["process"] for party in PARTIES}
    assert len(processes) == 2
    assert os.getpid() not in processes
    assert {seen.answers[party].values["threads"] for party in PARTIES} == {"1"}


def test_a_party_computes_with_the_priority_of_who_started_the_run(seen: Seen) -> None:
    assert {seen.answers[party].values["niceness"] for party in PARTIES} == {os.nice(0)}


def test_a_partys_error_is_told_by_its_kind(seen: Seen) -> None:
    assert seen.answers["forum"].failure == "forum failed: 'ValueError'"


def test_ray_is_offered_to_this_machine_only_and_to_this_user_only(seen: Seen) -> None:
    loopback = {"0100007F", "0000000000000000FFFF00000100007F"}
    assert seen.addresses
    assert seen.addresses <= loopback
    assert seen.environment["RAY_AUTH_MODE"] == "token"
    assert seen.environment["RAY_AUTH_TOKEN_PATH"] == str(seen.folder / "ray-token")
    assert seen.modes["ray-token"] == 0o600
    assert seen.modes["."] == 0o700


def test_nobody_is_phoned(seen: Seen) -> None:
    assert seen.environment["RAY_USAGE_STATS_ENABLED"] == "0"
    assert seen.environment["FLWR_TELEMETRY_ENABLED"] == "0"


def test_nothing_is_left_of_a_run_that_failed(seen: Seen) -> None:
    assert seen.processes
    wait_for_the_end_of(seen.processes)
    assert not seen.folder.exists()


def test_a_node_answers_for_the_party_of_its_place() -> None:
    room = Room()
    node = room.register(b"1")
    app = client_app(PartyNodes(("item", "social"), lambda party, order: {**order, "at": party}))
    sent = Message(content_of({"number": 1}), node, "train.session", ttl=9)
    asked = Message(content_of({}), node, "query.hello", ttl=9)
    for message, due in ((sent, {"number": 1, "at": "social"}), (asked, {"party": "social"})):
        message.metadata.__dict__["_message_id"] = "x"
        context = Context(
            run_id=7,
            node_id=node,
            node_config={"partition-id": 1, "num-partitions": 2},
            state=RecordDict(),
            run_config={},
        )
        assert dict(app(message, context).content["values"]) == due


@pytest.fixture
def engine() -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.federation.exchange.engine_run"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda each: each.name)
def test_nothing_is_left_of_a_run_that_is_asked_to_end(
    engine: "subprocess.Popen[str]", number: signal.Signals
) -> None:
    assert engine.stdout is not None
    assert engine.stderr is not None
    folder = Path(engine.stdout.readline().strip())
    assert folder.is_dir()
    assert engine.stdout.readline() == "at work\n"
    started = descendants(engine.pid)
    engine.send_signal(number)
    assert engine.wait(HOST_GRACE_S + 5) != 0
    wait_for_the_end_of(started)
    assert not folder.exists()
    said = engine.stderr.read()
    assert said == "" if number is signal.SIGTERM else "KeyboardInterrupt" in said


@pytest.mark.slow
def test_nothing_runs_on_when_the_engine_is_killed(engine: "subprocess.Popen[str]") -> None:
    assert engine.stdout is not None
    folder = Path(engine.stdout.readline().strip())
    assert engine.stdout.readline() == "at work\n"
    started = descendants(engine.pid)
    engine.kill()
    wait_for_the_end_of(started)
    for path in sorted(folder.rglob("*"), reverse=True):  # nobody was left to do it
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    folder.rmdir()


def whoever(steering: Steering) -> None:
    raise AssertionError("the leader was called")


def folders_made(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders that engines ask for from now on, once they are gone."""
    made: list[Path] = []
    temporary = tempfile.TemporaryDirectory

    def noted(
        *, prefix: str, dir: str, ignore_cleanup_errors: bool
    ) -> "tempfile.TemporaryDirectory[str]":
        found = temporary(prefix=prefix, dir=dir, ignore_cleanup_errors=ignore_cleanup_errors)
        made.append(Path(found.name))
        return found

    monkeypatch.setattr(tempfile, "TemporaryDirectory", noted)
    return made


@pytest.mark.usefixtures("seen")  # which imported Ray
def test_an_engine_that_cannot_start_calls_no_leader_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(flower_simulation, "STORE_BYTES", 1)
    made = folders_made(monkeypatch)
    with pytest.raises(EngineError, match=r"Ray does not take its settings: .* minimum allowed"):
        simulate_apps(Leader(host=whoever, stop=no_stop), tell, PARTIES)
    (folder,) = made
    assert not folder.exists()
    assert "RAY_AUTH_MODE" not in os.environ


@pytest.mark.usefixtures("seen")
def test_files_lie_where_the_paths_of_sockets_stay_short(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(flower_simulation, "STORE_BYTES", 1)
    deep = tmp_path / ("deep" * 20)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    made = folders_made(monkeypatch)
    with ThreadPoolExecutor(1) as pool:  # it need not be the main thread
        failed = pool.submit(simulate_apps, Leader(host=whoever, stop=no_stop), tell, PARTIES)
    assert isinstance(failed.exception(), EngineError)
    assert len(str(made[0])) <= LONGEST_FOLDER
    assert list(deep.iterdir()) == []


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch, seen: Seen) -> list[str]:
    """The folders Ray is to start in; each start fails as one of its server's does."""
    asked: list[str] = []

    def silent(*, _temp_dir: str, **settings: object) -> None:
        asked.append(_temp_dir)
        # Both are what Ray raises: for its server, and for what runs its workers.
        kind = RuntimeError if len(asked) % 2 else Exception
        raise kind("Timed out waiting for file gcs_server_port")

    monkeypatch.setattr(import_module("ray"), "init", silent)
    return asked


def test_a_server_of_rays_that_never_comes_up_is_started_again_and_then_named(
    starts: list[str],
) -> None:
    with pytest.raises(EngineError, match="did not start in 3 attempts: Timed out"):
        simulate_apps(Leader(host=whoever, stop=no_stop), tell, PARTIES)
    assert len(set(starts)) == STARTS


def test_an_engine_that_comes_up_at_the_second_start_runs(
    monkeypatch: pytest.MonkeyPatch, starts: list[str], seen: Seen
) -> None:
    ray = import_module("ray")
    failing = ray.init
    monkeypatch.undo()
    working = ray.init

    def second(**settings: object) -> None:
        (failing if not starts else working)(**settings)

    monkeypatch.setattr(ray, "init", second)
    online: list[set[str]] = []

    def host(steering: Steering) -> None:
        while steering.online() != set(PARTIES):
            time.sleep(0.1)
        online.append(steering.online())

    simulate_apps(Leader(host=host, stop=no_stop), tell, PARTIES)
    assert len(starts) == 1
    assert online == [set(PARTIES)]


def test_nothing_is_left_of_a_start_that_fails_half_way(
    monkeypatch: pytest.MonkeyPatch, seen: Seen
) -> None:
    started: list[int] = []

    def late(node: object) -> None:
        started[len(started) :] = [each for each in descendants(os.getpid()) if each not in before]
        raise TimeoutError("the raylet is late")

    before = descendants(os.getpid())
    monkeypatch.setattr(import_module("ray._private.node").Node, "start_ray_processes", late)
    with pytest.raises(EngineError, match="did not start in 3 attempts: the raylet is late"):
        simulate_apps(Leader(host=whoever, stop=no_stop), tell, PARTIES)
    assert len(started) >= STARTS, "every attempt starts its server first"
    assert not [each for each in started if runs(each)]


@pytest.mark.usefixtures("seen")
def test_a_run_that_is_asked_to_end_while_it_starts_unwinds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = folders_made(monkeypatch)
    ray = import_module("ray")

    def interrupted(**settings: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(DEADLINE_S)

    monkeypatch.setattr(ray, "init", interrupted)
    with pytest.raises(SystemExit) as ended:
        simulate_apps(Leader(host=whoever, stop=no_stop), tell, PARTIES)
    assert ended.value.code == 128 + signal.SIGTERM
    assert not made[0].exists()


def test_a_run_that_is_asked_to_end_at_work_ends_its_leader() -> None:
    stop = threading.Event()
    folders: list[Path] = []

    def host(steering: Steering) -> None:
        folders.append(Path(os.environ["FLWR_HOME"]))
        os.kill(os.getpid(), signal.SIGTERM)
        stop.wait(DEADLINE_S)

    with pytest.raises(SystemExit) as ended:
        simulate_apps(Leader(host=host, stop=stop.set), tell, PARTIES)
    assert ended.value.code == 128 + signal.SIGTERM
    assert stop.is_set()
    assert not folders[0].exists()
