"""Processes of a node: started again when they end, and ended when the node ends."""

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from parties.node.children import MAX_WAIT_S, Child, ChildState
from parties.node.logs import LogConfig, NodeLog
from parties.node.programs import Program
from tests.parties.node.nodes import wait_until

PYTHON = (sys.executable, "-I", "-S", "-c")
SLEEPS = (*PYTHON, "import time; print('up', flush=True); time.sleep(60)")
STUBBORN = (
    *PYTHON,
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('up', flush=True); time.sleep(60)",
)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[NodeLog]:
    log = NodeLog(LogConfig(folder=tmp_path / "log", party="social"))
    yield log
    log.close()


def program(command: tuple[str, ...], **changes: object) -> Program:
    made = Program(name="app", command=command, patience_s=5.0, first_wait_s=0.05)
    return replace(made, **changes)  # type: ignore[arg-type]


def running(child: Child, log: NodeLog) -> None:
    """Start it and wait until it says so."""
    child.tick()
    wait_until(lambda: '"text": "up"' in log.path.read_text())


def tick_until_restarted(child: Child, times: int) -> None:
    deadline = time.monotonic() + 20
    while child.status().restarts < times:
        assert time.monotonic() < deadline
        child.tick()
        time.sleep(0.01)


def test_a_process_that_ends_is_started_again_and_the_log_says_why(log: NodeLog) -> None:
    child = Child(program((*PYTHON, "raise SystemExit(3)")), log)
    assert child.status().state is ChildState.WAITING
    tick_until_restarted(child, 2)
    assert child.status().code == 3
    text = log.path.read_text()
    assert "app ended with code 3 after 0 s; it is started again in" in text
    assert "until it stays up" in text
    child.ask_to_end()
    child.end()


def test_waits_between_starts_grow_and_stay_bounded(log: NodeLog) -> None:
    child = Child(program(("/nowhere/program",), first_wait_s=0.02), log)
    begun = time.monotonic()
    tick_until_restarted(child, 4)
    # 20, 40, 80 and 160 ms.
    assert time.monotonic() - begun > 0.25
    child.ask_to_end()
    child.end()
    for _ in range(20):
        child._retry("fails")
    assert child._due - time.monotonic() <= MAX_WAIT_S


def test_a_process_that_was_killed_is_started_again(log: NodeLog) -> None:
    child = Child(program(SLEEPS), log)
    running(child, log)
    first = child.status().pid
    assert first is not None
    assert child._process is not None
    child._process.kill()
    tick_until_restarted(child, 1)
    wait_until(lambda: child.status().pid not in (None, first))
    assert "was killed by signal 9" in log.path.read_text()
    child.ask_to_end()
    child.end()


def test_a_program_that_cannot_be_run_is_logged_and_tried_again(
    log: NodeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    child = Child(program(("app",)), log)
    tick_until_restarted(child, 1)
    assert "cannot be started: No such file or directory" in log.path.read_text()
    assert child.status().pid is None


def test_a_process_ends_when_it_is_asked(log: NodeLog) -> None:
    child = Child(program(SLEEPS), log)
    running(child, log)
    assert child.status().state is ChildState.RUNNING
    begun = time.monotonic()
    child.ask_to_end()
    child.end()
    assert time.monotonic() - begun < 4
    assert child.status().state is ChildState.ENDED
    assert child.status().code == -15
    child.end()  # once more changes nothing


def test_a_process_that_does_not_listen_is_killed(log: NodeLog) -> None:
    child = Child(program(STUBBORN, patience_s=0.2), log)
    running(child, log)
    child.ask_to_end()
    child.end()
    assert child.status().code == -9
    assert "did not end in" in log.path.read_text()


def test_a_process_that_was_never_started_ends_at_once(log: NodeLog) -> None:
    child = Child(program(SLEEPS), log)
    child.ask_to_end()
    child.end()
    assert child.status().code is None


def test_a_process_gets_its_environment_and_what_keeps_flower_quiet(log: NodeLog) -> None:
    shows = (*PYTHON, "import os; print(os.environ['FLWR_TELEMETRY_ENABLED'], os.environ['OWN'])")
    child = Child(program(shows, environment={"OWN": "yes"}), log)
    child.tick()
    wait_until(lambda: '"text": "0 yes"' in log.path.read_text())
    child.ask_to_end()
    child.end()


def test_what_a_process_prints_is_logged_without_secrets(log: NodeLog) -> None:
    says = (*PYTHON, "import sys; sys.stderr.write('--token ' + 'ab' * 32 + chr(10))")
    child = Child(program(says), log)
    child.tick()
    wait_until(lambda: "--token" in log.path.read_text())
    assert "abab" not in log.path.read_text()
    child.ask_to_end()
    child.end()
