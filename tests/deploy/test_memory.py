"""What a process holds in memory can be searched while it runs."""

import subprocess
import sys
from pathlib import Path

from deploy.rehearsal.memory import memory_of, save_memory

HOLD = """
import sys
held = bytes(range(65, 91)) * 3
print("ready", flush=True)
sys.stdin.read()
"""
ALPHABETS = bytes(range(65, 91)) * 3


def test_what_a_process_holds_is_found_and_it_goes_on(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        path = tmp_path / "memory"
        size = save_memory([process.pid], path)
        assert process.poll() is None
        assert size == path.stat().st_size > 1_000_000
        assert ALPHABETS in path.read_bytes()
        assert save_memory([process.pid], path) > size, "later copies are added"
        process.communicate("", timeout=10)
    assert process.returncode == 0


def test_a_process_that_is_gone_gives_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait(10)
    assert list(memory_of(process.pid)) == []
