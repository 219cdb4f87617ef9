import json
import shutil
from copy import deepcopy
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from simulations.cli.program import run
from simulations.cli.summary import print_summary
from simulations.run_folder import Plan, RunFolder, SimulationConfig
from tests.simulations.cli.conftest import Ended


@pytest.fixture
def finished(strict: Ended, tmp_path: Path) -> Path:
    """A copy of a finished run."""
    return shutil.copytree(strict.folder, tmp_path / "a run")


def test_a_finished_run_is_shown_and_its_page_made_anew(
    finished: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (finished / "report.html").unlink()
    assert run(["report", str(finished)]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert "federated over popularity" in out
    assert out.endswith(f"report: {finished / 'report.html'}\n")
    assert "<html" in (finished / "report.html").read_text()


def test_json_is_the_report_as_it_lies_there(
    finished: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["report", str(finished), "--json"]) == 0
    assert capfd.readouterr().out == (finished / "report.json").read_text()


def test_an_unfinished_run_says_how_to_finish_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with RunFolder.drafted(tmp_path / "a run") as draft:
        draft.write_plan(Plan(data="world", splits=1, config=SimulationConfig()))
    assert run(["report", str(tmp_path / "a run")]) == 1
    said = capfd.readouterr().err
    assert f"fedrecall simulate --resume '{tmp_path / 'a run'}'" in said


@pytest.mark.parametrize("content", ["{", "{}", '{"version": 99}', "[]"])
def test_a_damaged_report_is_refused_by_name(
    content: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "report.json").write_text(content)
    assert run(["report", str(tmp_path)]) == 1
    said = capfd.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert "report.json" in said
    assert not (tmp_path / "report.html").exists()


def summary(report: dict[str, Any]) -> str:
    file = StringIO()
    print_summary(report, Console(file=file, width=80))
    return file.getvalue()


def test_plain_is_said_first(strict: Ended) -> None:
    assert "nothing was protected" in summary(strict.report | {"profile": "plain"}).splitlines()[0]
    assert "nothing was protected" not in summary(strict.report)


def test_a_summary_warns_of_what_the_page_warns_of(strict: Ended) -> None:
    privacy = strict.report["privacy"] | {"accepted_single_partner": True}
    alone = strict.report | {"privacy": privacy, "partners": ["social"]}
    assert "its embedding was no sum" in summary(alone)
    leak = {"recall@50": {"absolute": {"mean": 0.1, "low": 0.05, "high": 0.2}}}
    lift = strict.report["lift"] | {"shuffled_vs_popularity": leak, "shuffled_vs_own": leak}
    assert "do not use these figures" in summary(strict.report | {"lift": lift})
    assert "do not use these figures" not in summary(strict.report)


def test_a_summary_calls_systems_what_the_page_calls_them(strict: Ended) -> None:
    said = summary(strict.report)
    assert "social alone" in said
    assert "All data pooled, unprotected" in said


def test_a_lift_without_a_ratio_says_why(strict: Ended) -> None:
    report = deepcopy(strict.report)
    lift = report["lift"]["federated_vs_popularity"]["recall@50"]
    lift |= {"relative": None, "low": None, "high": None, "reason": "popularity finds nothing [0]"}
    assert "no ratio, popularity finds nothing [0]" in summary(report)
    lift |= {"relative": 0.5}
    assert "+50% recall@50\n" in summary(report)


def test_several_splits_are_counted(strict: Ended) -> None:
    report = strict.report | {"seeds": [0, 1, 2]}
    assert summary(report).splitlines()[0].endswith("3 splits")
    assert json.dumps(report)
