"""A disk that is filled for a rehearsal is really full."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.rehearsal.commands import require_tools, run
from deploy.rehearsal.errors import CommandFailedError, MissingToolError, OutOfTimeError
from deploy.rehearsal.mishaps import fill, make_clock


@pytest.mark.usefixtures("real_hosts")
def test_a_filled_disk_takes_nothing_more(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)])
    try:
        fill(disk / "filler")
        with pytest.raises(OSError, match="space"), (disk / "more").open("wb") as file:
            file.write(bytes(8192))
    finally:
        run(["umount", str(disk)])


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_another_time_of_day_leaves_measured_time_alone(tmp_path: Path) -> None:
    script = (
        "import time, datetime; begin = time.monotonic(); time.sleep(0.1);"
        "print(time.time(), datetime.datetime.now().timestamp(), time.monotonic() - begin)"
    )
    environment = {"LD_PRELOAD": str(make_clock(tmp_path)), "CLOCK_AHEAD_S": "3600"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    one, other, slept = map(float, done.stdout.split())
    assert 3590 < one - time.time() < 3601
    assert abs(one - other) < 1
    assert 0.1 <= slept < 10


def test_a_command_that_fails_is_told_with_its_last_words() -> None:
    with pytest.raises(CommandFailedError, match="exit code 3: no such thing"):
        run(["sh", "-c", "echo no such thing >&2; exit 3"])


def test_a_command_that_takes_too_long_is_killed() -> None:
    with pytest.raises(OutOfTimeError, match="sleep 60"):
        run(["sleep", "60"], timeout_s=0.2)


def test_a_missing_program_is_told_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingToolError, match="apt-get install tshark"):
        require_tools("dumpcap")
