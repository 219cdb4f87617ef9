import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Block, documents, runnable

INTERPRETERS = {
    "sh": ("sh", "-eu", "-c"),
    "python": (sys.executable, "-W", "error", "-c"),
}
PAGES = tuple(page for page in documents() if runnable(page))


def environment() -> dict[str, str]:
    programs = str(Path(sys.executable).parent)
    path = os.pathsep.join((programs, os.environ.get("PATH", "")))
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def run(block: Block, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*INTERPRETERS[block.language], block.body],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_blocks_of_a_page_run_one_after_the_other(page: Path, tmp_path: Path) -> None:
    for number, block in enumerate(runnable(page), start=1):
        done = run(block, tmp_path)
        assert done.returncode == 0, f"block {number} of {page.name}: {done.stderr}"


def test_a_block_that_fails_is_noticed(tmp_path: Path) -> None:
    assert run(Block("sh", "fedrecall data describe nowhere\n"), tmp_path).returncode == 1
    assert run(Block("python", "raise SystemExit(3)\n"), tmp_path).returncode == 3


def test_some_pages_have_blocks_that_run() -> None:
    assert {page.name for page in PAGES} >= {"README.md", "own-data.md"}
