"""A program on a leash dies with whoever started it."""

import ctypes
import json
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from federation.exchange import leash
from federation.exchange.leash import ORPHANED, PR_SET_PDEATHSIG, become, leashed
from tests.processes import runs, wait_for_the_end_of

SOON_S = 10.0  # programs here end by themselves after a minute

SLEEPER = [
    sys.executable,
    "-I",
    "-S",
    "-c",
    "import time; print('up', flush=True); time.sleep(60)",
]
POLITE = """
import pathlib, signal, sys, time
def leave(*_):
    pathlib.Path(sys.argv[1]).touch()
    sys.exit()
signal.signal(signal.SIGTERM, leave)
print("up", flush=True)
time.sleep(60)
"""
PARENT = """
import json, signal, subprocess, sys, time
from federation.exchange.leash import leashed
program, word = json.loads(sys.argv[1]), signal.Signals[sys.argv[2]]
child = subprocess.Popen(leashed(program, last_word=word), stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""


def killed_parents_child(program: list[str], word: str) -> int:
    """Have a process start `program`, kill that process, and return the program's pid."""
    command = [sys.executable, "-c", PARENT, json.dumps(program), word]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert runs(pid)
        parent.kill()
    return pid


def test_a_program_dies_when_its_parent_is_killed() -> None:
    wait_for_the_end_of([killed_parents_child(SLEEPER, "SIGKILL")], SOON_S)


def test_a_program_may_sign_off_when_its_parent_is_killed(tmp_path: Path) -> None:
    signed = tmp_path / "signed"
    program = [sys.executable, "-I", "-S", "-c", POLITE, str(signed)]
    wait_for_the_end_of([killed_parents_child(program, "SIGTERM")], SOON_S)
    assert signed.exists()


def test_a_program_on_a_leash_is_the_process_that_was_started() -> None:
    program = [sys.executable, "-I", "-S", "-c", "import os; print(os.getpid())"]
    with subprocess.Popen(leashed(program), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) == process.pid


def test_a_program_whose_parent_is_gone_already_is_not_started(tmp_path: Path) -> None:
    started = tmp_path / "started"
    command = list(leashed(["/usr/bin/touch", str(started)]))
    command[5] = str(os.getppid())  # somebody, and not who starts it
    assert subprocess.run(command, check=False).returncode == ORPHANED
    assert not started.exists()


@pytest.mark.parametrize("word", [signal.SIGKILL, signal.SIGTERM])
def test_the_signal_is_named_in_the_command(word: signal.Signals) -> None:
    assert word.name in leashed(["true"], last_word=word)


@pytest.fixture
def unleashed() -> Iterator[None]:
    """Take the signal back that `become` has set for this process."""
    yield
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0)


@pytest.mark.usefixtures("unleashed")
def test_a_program_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = ["/nowhere/program"]
    with pytest.raises(FileNotFoundError):
        become(signal.SIGTERM, os.getppid(), missing)
    monkeypatch.setattr(sys, "argv", ["leash.py", "SIGTERM", str(os.getppid()), *missing])
    with pytest.raises(FileNotFoundError):
        runpy.run_path(str(Path(leash.__file__)), run_name="__main__")


@pytest.mark.usefixtures("unleashed")
def test_a_process_that_is_not_its_parents_any_more_ends() -> None:
    with pytest.raises(SystemExit) as ended:
        become(signal.SIGTERM, os.getpid(), ["true"])
    assert ended.value.code == ORPHANED


def test_a_signal_that_the_kernel_does_not_know_is_an_error() -> None:
    with pytest.raises(OSError, match="parent-death"):
        become(cast(signal.Signals, 9999), os.getppid(), ["true"])
