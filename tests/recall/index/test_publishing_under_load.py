"""Publishing while others read, and publishers that are killed. See `stress.py`."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recall.index.following import FollowingIndex
from recall.index.publishing import Publisher
from recall.index.stored import About
from recall.index.versions import folder_of, is_held, numbers, open_current
from tests.docs.pages import ROOT
from tests.recall.index.stress import failure_in, made_index


def begin(role: str, root: Path, seconds: float, first: int = 1) -> subprocess.Popen[str]:
    arguments = (role, str(root), str(seconds), str(first))
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "tests.recall.index.stress", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=600)
    assert (process.returncode, err) == (0, "")
    report: dict[str, Any] = json.loads(out.splitlines()[-1])
    return report


def published(root: Path, number: int) -> None:
    Publisher(root).publish(made_index(number), About(data=str(number)))


@pytest.mark.parametrize(
    ("seconds", "writers", "readers"),
    [(3, 1, 2), pytest.param(60, 2, 4, marks=pytest.mark.slow)],
)
def test_readers_never_see_a_mixture_a_loss_or_a_step_back(
    seconds: int, writers: int, readers: int, tmp_path: Path
) -> None:
    published(tmp_path, 1)
    writing = [begin("write", tmp_path, seconds, 100_000 * (1 + each)) for each in range(writers)]
    reading = [begin("follow", tmp_path, seconds) for _ in range(readers)]
    reports = [ended(process) for process in (*reading, *writing)]
    assert [report["failure"] for report in reports] == [None] * len(reports)
    assert all(len(report["versions"]) > 1 for report in reports[:readers])
    # Every version has one writer, and none is missing.
    versions = sorted(number for report in reports[readers:] for number in report["versions"])
    assert versions == list(range(2, len(versions) + 2))
    assert open_current(tmp_path).manifest.number == versions[-1] > 5


def kill_amid_publishing(root: Path, after: int, delay: float) -> int:
    """Kill a publisher a little after it said `after` versions; gives the last that it said."""
    process = begin("write", root, 600)
    assert process.stdout is not None
    for _ in range(after):
        said = int(process.stdout.readline())
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate(timeout=60)
    lines = rest.split("\n")[:-1]  # what follows the last newline was cut off
    return int(lines[-1]) if lines else said


@pytest.mark.parametrize("kills", [4, pytest.param(60, marks=pytest.mark.slow)])
def test_a_publisher_killed_at_any_moment_leaves_a_whole_version(
    kills: int, tmp_path: Path
) -> None:
    published(tmp_path, 1)
    index, rng = FollowingIndex(tmp_path), np.random.default_rng(0)
    for _ in range(kills):
        said = kill_amid_publishing(tmp_path, int(rng.integers(1, 4)), rng.uniform(0, 0.03))
        opened = open_current(tmp_path)
        # What it said was published is; at most the next one is too, which it had no time to say.
        assert opened.manifest.number in {said, said + 1}
        assert failure_in(opened) is None
        index.refresh()
        assert (index.version, index.trouble) == (opened.manifest, None)
    last = numbers(tmp_path)[-1]
    published(tmp_path, 7)
    assert not [*tmp_path.glob(".new-*")]
    assert open_current(tmp_path).manifest.number == last + 1


def test_a_reader_that_is_killed_holds_nothing_any_more(tmp_path: Path) -> None:
    published(tmp_path, 1)
    reader = begin("follow", tmp_path, 600)
    try:
        patience = time.monotonic() + 60
        while not is_held(folder_of(tmp_path, 1)) and time.monotonic() < patience:
            time.sleep(0.01)
        assert is_held(folder_of(tmp_path, 1))
        reader.send_signal(signal.SIGSTOP)  # it goes on to no other version
        for number in range(2, 6):
            published(tmp_path, number)
        assert numbers(tmp_path) == [1, 3, 4, 5]
    finally:
        reader.kill()
        reader.communicate(timeout=60)
    Publisher(tmp_path, keep=1).prune()
    assert numbers(tmp_path) == [5]


def test_threads_that_search_while_versions_change_get_one_version_each_time(
    tmp_path: Path,
) -> None:
    published(tmp_path, 1)
    index, failures, over = FollowingIndex(tmp_path), [], threading.Event()

    def search() -> None:
        while not over.is_set():
            failure = failure_in(index.held)
            failures.extend([] if failure is None else [failure])

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    with index.following(0.002):
        for number in range(2, 20):
            published(tmp_path, number)
    over.set()
    for thread in threads:
        thread.join()
    assert failures == []
    index.refresh()
    assert (index.version.number, index.trouble) == (19, None)
