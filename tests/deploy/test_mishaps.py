"""A disk that is filled for a rehearsal is really full."""

from pathlib import Path

import pytest

from deploy.rehearsal.commands import require_tools, run
from deploy.rehearsal.errors import CommandFailedError, MissingToolError, OutOfTimeError
from deploy.rehearsal.mishaps import fill


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
