"""Peers in interpreters of their own: on one thread, for so long at most, and never believed."""

import json
import os
import sys
import time
from pathlib import Path

import pytest

from parties.one_thread import ONE_THREAD
from simulations.bench.peer_process import Interpreter
from simulations.errors import PeerMissingError
from tests.processes import wait_for_the_end_of

HERE = Interpreter(python=Path(sys.executable), name="a peer")


def script(folder: Path, text: str) -> str:
    path = folder / "peer.py"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_what_a_peer_writes_comes_back(tmp_path: Path) -> None:
    told = script(tmp_path, "import sys; print('caf\xe9', *sys.argv[1:])")
    assert HERE.run(told, "a b", "c") == "caf\xe9 a b c\n"


def test_a_peer_has_one_thread_whatever_this_process_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ONE_THREAD:
        monkeypatch.setenv(name, "7")
    told = script(tmp_path, "import json, os; print(json.dumps(dict(os.environ)))")
    found = json.loads(HERE.run(told))
    assert {name: found[name] for name in ONE_THREAD} == dict(ONE_THREAD)
    assert found["PATH"] == os.environ["PATH"]


def test_a_peers_script_imports_nothing_that_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "graphlib.py").write_text("print('the wrong one')", encoding="utf-8")
    assert HERE.run(script(tmp_path, "import graphlib; print('the right one')")) == (
        "the right one\n"
    )


def test_warnings_of_a_peer_are_none_of_its_words(tmp_path: Path) -> None:
    noisy = "import warnings, sys; warnings.warn('old'); sys.exit(3)"
    with pytest.raises(PeerMissingError, match=r"\(exit code 3\): it said nothing$"):
        HERE.run(script(tmp_path, noisy))


def test_a_peer_that_hangs_is_ended_and_its_last_words_are_told(tmp_path: Path) -> None:
    hanging = script(
        tmp_path,
        "import sys, time\nprint('a\\nepoch 7', file=sys.stderr, flush=True)\ntime.sleep(600)",
    )
    peer = Interpreter(python=HERE.python, name="a peer", seconds=2)
    began = time.monotonic()
    with pytest.raises(PeerMissingError, match=r"a peer did not end within 2 seconds.*: epoch 7$"):
        peer.run(hanging)
    assert time.monotonic() - began < 60


def test_what_a_peer_started_ends_with_it(tmp_path: Path) -> None:
    started = tmp_path / "pid"
    wrapper = tmp_path / "python"
    wrapper.write_text(f"#!/bin/sh\nsleep 600 &\necho $! > {started}\nwait\n", encoding="utf-8")
    wrapper.chmod(0o700)
    with pytest.raises(PeerMissingError, match="within 1 seconds"):
        Interpreter(python=wrapper, name="a peer", seconds=1).run()
    wait_for_the_end_of([int(started.read_text())])


def test_a_peer_that_dies_tells_the_last_line_of_its_error(tmp_path: Path) -> None:
    dying = script(tmp_path, "print('well so far')\nraise ValueError('no such loss')")
    with pytest.raises(PeerMissingError, match=r"cannot run a peer.*ValueError: no such loss$"):
        HERE.run(dying)


def test_a_peer_that_is_killed_is_told_by_its_signal(tmp_path: Path) -> None:
    killed = script(tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(PeerMissingError, match=r"exit code -9\): it said nothing$"):
        HERE.run(killed)


def test_an_interpreter_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(PeerMissingError, match="no-python cannot run a peer"):
        Interpreter(python=tmp_path / "no-python", name="a peer").run()


def test_a_figure_is_read_from_the_last_line(tmp_path: Path) -> None:
    told = script(tmp_path, 'print(\'epoch 1\\n{"loss": 0}\\n{"seconds": 2.5}\')')
    assert HERE.figure("seconds", told) == 2.5


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"rubbish",
        b"[1]",
        b"3",
        b'{"minutes": 1}',
        b'{"seconds": "soon"}',
        b'{"seconds": NaN}',
        b'{"seconds": 1' + b"0" * 400 + b"}",
        b"\xff\0",
    ],
)
def test_a_peer_that_writes_rubbish_is_refused(tmp_path: Path, said: bytes) -> None:
    told = script(tmp_path, f"import sys; sys.stdout.buffer.write({said!r})")
    with pytest.raises(PeerMissingError, match="gave no seconds but"):
        HERE.figure("seconds", told)
