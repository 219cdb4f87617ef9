import shutil
import subprocess
from pathlib import Path

import pytest

from simulations.report import build_report, render_html, write_text
from tests.simulations.report.made_run import made_run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--enable-logging=stderr",
    "--window-size=1200,1000",
)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_browser_opens_the_page_without_a_word_on_its_console(tmp_path: Path) -> None:
    assert CHROMIUM is not None
    page, picture = tmp_path / "report.html", tmp_path / "report.png"
    write_text(render_html(build_report(made_run(splits=1))), page)
    done = subprocess.run(
        [
            CHROMIUM,
            *FLAGS,
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--screenshot={picture}",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in done.stderr
    assert picture.stat().st_size > 20_000
