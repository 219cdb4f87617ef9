import json
import signal
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pytest

from federation.errors import PeerLostError
from parties.config import COORDINATOR, ITEM, RunConfig
from parties.events import Progress, Stage
from parties.keys import make_federation_keys
from simulations.bench.figures import Bound, Wanted
from simulations.bench.link import FULL, QUICK, Extent, run_link_bench
from simulations.bench.link_batches import Load, Opening, ask, measure_round_trips
from simulations.bench.link_lines import LOOPBACK, TlsDoor, TlsLine, prompt, tls_context
from simulations.bench.link_meter import Account, Meter, Window
from simulations.bench.link_middle import hub_middle, sealed_middle, tls_middle
from simulations.bench.link_processes import Processes, done_beside, one_process
from simulations.bench.link_relay import CountingRelay
from simulations.bench.link_runs import Site, run_on_nodes
from simulations.errors import NodeFailedError
from simulations.world.config import WorldConfig
from tests.simulations.cli.program import (
    end,
    fedrecall,
    start,
    task_workers,
    wait_until,
    workers_of,
)

PARTNERS = ("social", "video")
SMALL = Load(size=5000, rounds=2, batches=3, warm_up=1)
WORLD = WorldConfig(users=256, songs=60, mean_sessions=2.0)
TINY = Extent(
    load=SMALL,
    world=WORLD,
    batch_groups=1,
    width=4,
    dim=32,
    epochs=2,
    rounds=1,
    published=False,
)
one_thread = partial(ThreadPoolExecutor, 1)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("link") / "keys"
    make_federation_keys(folder, PARTNERS)
    return folder


@pytest.fixture(scope="module")
def told() -> list[str]:
    return []


@pytest.fixture(scope="module")
def report(told: list[str]) -> dict[str, Any]:
    """What the bench reports, with threads for processes: nothing in it is fast or slow."""
    return run_link_bench(extent=TINY, progress=told.append, start=one_thread)


def test_a_report_survives_json(report: dict[str, Any]) -> None:
    assert json.loads(json.dumps(report)) == report
    assert report["bench"] == "link"


def test_every_way_is_timed_beside_bare_tls(report: dict[str, Any]) -> None:
    round_trip = report["round_trip"]

    asked = {key: round_trip[key] for key in ("payload_bytes", "partners", "batches")}
    assert asked == {"payload_bytes": 5000, "partners": 2, "batches": 6}
    for pattern in (round_trip, round_trip["relay"]):
        for way in ("bare_tls", "hub", "sealed"):
            assert 0 < pattern[way]["median_ms"] <= pattern[way]["p95_ms"]
        assert pattern["hub_over_bare_tls"] > 0
        assert pattern["sealed_over_bare_tls"] > 0


def test_training_is_timed_without_its_first_epoch(report: dict[str, Any]) -> None:
    training = report["training"]

    asked = {key: training[key] for key in ("rows", "columns", "dim", "rounds")}
    assert asked == {"rows": 128, "columns": 4, "dim": 32, "rounds": 1}
    assert training["steps_per_round"] == 2  # two epochs of two steps
    ratio = training["hub"]["steps_per_second"] / training["memory"]["steps_per_second"]
    assert training["throughput_hub_over_memory"] == pytest.approx(ratio, rel=0.01)
    assert training["memory"]["cpu_seconds_per_step"] > 0


def test_the_wire_carries_the_payloads_and_little_else(report: dict[str, Any]) -> None:
    wire = report["wire"]

    # Payloads come from the parties' ledgers, the wire from a relay that cannot read it.
    assert 1 < wire["wire_over_payload"] < 1.02
    assert wire["wire_bytes_per_step"] > wire["payload_bytes_per_step"]
    # All but what the coordinator sends and gets is carried twice.
    assert 1.5 < wire["payload_bytes_per_step"] / wire["distinct_payload_bytes_per_step"] < 2


def test_the_start_is_timed_from_the_first_message_and_from_the_order(
    report: dict[str, Any],
) -> None:
    start = report["first_step"]

    assert start["lastfm-2k"] is None
    assert start["world"]["runs"] == 2  # one of them for the wire
    assert 0 < start["world"]["seconds_from_first_message"] < start["world"]["seconds_from_order"]


def test_figures_stand_beside_what_is_wanted(report: dict[str, Any]) -> None:
    figures = report["figures"]

    assert {name: [*figure] for name, figure in figures.items()} == {
        "round_trip_ms": ["measured", "at_most", "reached"],
        "throughput_hub_over_memory": ["measured", "at_least", "reached"],
        "wire_over_payload": ["measured", "at_most", "reached"],
        "first_step_seconds": ["measured", "at_most", "reached"],
    }
    assert figures["round_trip_ms"]["measured"] == report["round_trip"]["hub"]["median_ms"]


def test_progress_says_what_runs(report: dict[str, Any], told: list[str]) -> None:
    assert report
    assert told == [
        "round trips, 1 of 2",
        "round trips, 2 of 2",
        "loading programs and data",
        "bytes on the wire",
        "training over memory, 1 of 1",
        "training over the hub, 1 of 1",
    ]


@pytest.mark.parametrize(
    ("bound", "measured", "reached"),
    [
        (Bound.AT_MOST, 2.0, True),
        (Bound.AT_MOST, 2.1, False),
        (Bound.AT_LEAST, 2.0, True),
        (Bound.AT_LEAST, 1.9, False),
    ],
)
def test_a_figure_is_reached_on_its_side_of_the_bound(
    bound: Bound, measured: float, reached: bool
) -> None:
    assert Wanted(bound, 2.0).compared(measured)["reached"] is reached


def test_the_default_is_what_the_figures_are_promised_for() -> None:
    assert FULL.load.size == 1 << 20
    assert FULL.load.rounds * FULL.load.batches >= 200
    assert FULL.batch_groups * 128 == 1024
    assert (FULL.width, FULL.dim, FULL.rounds) == (32, 64, 3)
    for extent in (FULL, QUICK):  # so that all sums of a run are as long
        assert extent.world.users % (extent.batch_groups * 128) == 0


# Round trips


@pytest.mark.parametrize("opening", [hub_middle, sealed_middle, partial(tls_middle, size=700)])
def test_a_payload_of_another_size_ends_the_bench(opening: Opening, keys: Path) -> None:
    load = Load(size=700, batches=1, warm_up=0)

    with Processes(PARTNERS, one_thread) as parties, opening(keys, PARTNERS) as middle:
        asking = [
            parties.begin(name, ask, middle.door, name, COORDINATOR, load) for name in PARTNERS
        ]
        with pytest.raises((ArithmeticError, PeerLostError)):
            done_beside(lambda: middle.meet(PARTNERS, bytes(699), 1), asking)


def test_round_trips_need_every_partner(keys: Path, told: list[str]) -> None:
    with Processes((ITEM, *PARTNERS), one_thread) as parties, pytest.raises(KeyError):
        measure_round_trips(keys, (*PARTNERS, "telecom"), parties, SMALL, told.append)


def test_bare_sockets_know_each_other_by_certificate(keys: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as listener, ThreadPoolExecutor(1) as threads:
        door = TlsDoor(keys=keys, port=listener.getsockname()[1], size=3)
        dialling = threads.submit(door.open, "social")
        bare, _ = listener.accept()
        context = tls_context(keys / COORDINATOR, ssl.PROTOCOL_TLS_SERVER)
        here = TlsLine(prompt(context.wrap_socket(bare, server_side=True)), 3)
        there = dialling.result()

        there.send(COORDINATOR, b"abc")
        assert here.receive() == 3
        assert here.received.tobytes() == b"abc"
        assert here.peer == "social"

        there.close()
        with pytest.raises(PeerLostError, match="closed its socket"):
            here.receive()
        here.close()


def test_a_stranger_to_the_authority_gets_no_bare_socket(keys: Path, tmp_path: Path) -> None:
    make_federation_keys(tmp_path / "keys", PARTNERS)

    with socket.create_server((LOOPBACK, 0)) as listener, ThreadPoolExecutor(1) as threads:
        door = TlsDoor(keys=tmp_path / "keys", port=listener.getsockname()[1], size=3)
        dialling = threads.submit(door.open, "social")
        bare, _ = listener.accept()
        context = tls_context(keys / COORDINATOR, ssl.PROTOCOL_TLS_SERVER)
        with bare, pytest.raises(ssl.SSLError):
            context.wrap_socket(bare, server_side=True)
        with pytest.raises(ssl.SSLError):
            dialling.result()


# Processes


def test_a_party_that_fails_explains_more_than_whoever_lost_it() -> None:
    def lose() -> None:
        raise PeerLostError("nothing came")

    with Processes(("one", "two"), one_thread) as parties:
        failing = parties.begin("one", int, "no number")
        fine = parties.begin("two", int, "3")
        with pytest.raises(ValueError, match="no number"):
            done_beside(lose, [fine, failing])
        with pytest.raises(PeerLostError, match="nothing came"):
            done_beside(lose, [fine])
        assert done_beside(lambda: None, [fine]) == [3]


def test_a_process_is_not_started_before_it_is_needed() -> None:
    before = threading.active_count()

    one_process().shutdown()

    assert threading.active_count() == before


# The relay


def echo(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        while data := connection.recv(1000):
            connection.sendall(data.upper())


def test_a_relay_counts_both_directions_and_changes_nothing() -> None:
    with (
        socket.create_server((LOOPBACK, 0)) as listener,
        ThreadPoolExecutor(1) as threads,
        CountingRelay().running() as relay,
    ):
        port = relay.lead_to(listener.getsockname()[1])
        echoing = threads.submit(echo, listener)
        with socket.create_connection((LOOPBACK, port), 10) as party:
            party.sendall(b"hub")
            assert party.recv(3, socket.MSG_WAITALL) == b"HUB"
            party.shutdown(socket.SHUT_WR)
            assert party.recv(1) == b""
        echoing.result(10)

        assert relay.bytes_between(0, float("inf")) == 6
        assert relay.bytes_between(0, 0) == 0


def test_a_relay_without_a_hub_hangs_up() -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        nobody: int = listener.getsockname()[1]
    with CountingRelay().running() as relay:
        for _ in range(2):  # and goes on
            with socket.create_connection((LOOPBACK, relay.lead_to(nobody)), 10) as party:
                assert party.recv(1) == b""
        assert relay.bytes_between(0, float("inf")) == 0


def test_a_relay_that_ends_hangs_up() -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        with CountingRelay().running() as relay:
            party = socket.create_connection((LOOPBACK, relay.lead_to(listener.getsockname()[1])))
            hub, _ = listener.accept()
        with party, hub:
            party.settimeout(10)
            assert party.recv(1) == b""


# What is noted of a run


def test_cpu_between_two_looks_is_read_off_the_line_between_them() -> None:
    account = Account(cpu=[(10.0, 1.0), (12.0, 2.0), (13.0, 2.0)])

    assert account.cpu_between(10.0, 13.0) == 1.0
    assert account.cpu_between(11.0, 12.5) == 0.5


def test_a_meter_notes_steps_of_training_once_and_the_cpu_clock() -> None:
    with Meter() as meter:
        for stage, done in [(Stage.ALIGNMENT, 1), (Stage.TRAINING, 0), (Stage.TRAINING, 1)]:
            meter.watch(Progress(stage=stage, done=done, total=2))
        first = dict(meter.account.steps)
        meter.watch(Progress(stage=Stage.TRAINING, done=1, total=2, recall=0.5))

    assert [*first] == [0, 1]
    assert meter.account.steps == first
    assert meter.account.cpu[-1] >= meter.account.cpu[0]


def test_the_steady_part_begins_after_the_first_epoch() -> None:
    window = Window.of({0: 0.0, 1: 5.0, 2: 7.0, 3: 8.0, 4: 11.0}, epochs=2)

    assert (window.first, window.last, window.steps) == (2, 4, 2)
    assert window.steps_per_second() == 0.5
    account = Account(cpu=[(0.0, 0.0), (20.0, 20.0)])
    assert window.cpu_per_step([account, account]) == 4.0


def test_a_run_that_a_party_refuses_ends_the_bench(tmp_path: Path) -> None:
    make_federation_keys(tmp_path / "parties" / "keys", PARTNERS)
    (tmp_path / "federation.toml").write_text("no description", encoding="utf-8")
    site = Site(folder=tmp_path / "parties", data=str(tmp_path), partners=PARTNERS)

    with (
        Processes(site.members, one_thread) as parties,
        pytest.raises(NodeFailedError, match=f"{ITEM}: DescriptionError"),
    ):
        run_on_nodes(site, parties, RunConfig())


# All of it, with processes


@pytest.mark.slow
def test_the_command_prints_json_and_leaves_nothing_behind(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    # torch makes a folder for what it compiles, and keeps it for its next process.
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.mktemp("torch")))

    done = fedrecall("bench", "link", "--quick", "--json")

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["round_trip"]["payload_bytes"] == 1 << 20
    assert report["wire"]["wire_over_payload"] < 1.05
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_an_interrupted_bench_leaves_no_process_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    process = start("bench", "link", "--quick")
    wait_until(lambda: len(task_workers(process)) == 3)

    said = end(process, signal.SIGINT, group=True)

    assert process.returncode == 130
    assert said.splitlines()[-1] == "interrupted"
    wait_until(lambda: not workers_of(process))
    assert not list(tmp_path.iterdir())


def test_processes_end_when_the_work_here_fails() -> None:
    before = set(active_children())

    def fail() -> None:
        with Processes(("one",)) as parties:
            parties.begin("one", time.sleep, 60)
            assert len(set(active_children()) - before) == 1
            raise PeerLostError

    with pytest.raises(PeerLostError):
        fail()

    assert set(active_children()) == before
