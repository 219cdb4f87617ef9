"""The item party judges a run from its own disk, as a simulation would have judged it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from federation.protocol.profile import Profile
from parties.config import RunConfig
from parties.errors import JobError, PartyFileError
from parties.node.party_file import PartyFile, read_party_file
from parties.node.results import save_result, save_settings
from simulations.cli.program import run
from simulations.federation import Scenario, run_federation
from simulations.listening import Listening
from simulations.node_report import finished_jobs, node_report
from simulations.report import check
from simulations.split import Split
from simulations.splits import EvaluationConfig
from simulations.tasks import Task, TaskKind

SHARE = 0.2
ITEM_FILE = """
name = "item"
role = "item"
[coordinator]
host = "127.0.0.1"
[data]
events = "events.csv"
items = "items.csv"
users = "users.csv"
[experiment]
cold_share = {share}
"""


@pytest.fixture(scope="module")
def plain(quick: RunConfig) -> RunConfig:
    return replace(quick, profile=Profile.PLAIN)


@pytest.fixture(scope="module")
def split(
    tiny: Path, listening: Listening, plain: RunConfig, tmp_path_factory: pytest.TempPathFactory
) -> Split:
    task = Task(
        kind=TaskKind.FEDERATED,
        data=str(tiny),
        seed=plain.seed,
        config=plain,
        evaluation=EvaluationConfig(cold_share=SHARE),
        folder=tmp_path_factory.mktemp("split"),
    )
    return Split(task, listening)


@pytest.fixture(scope="module")
def party(
    split: Split, tiny: Path, plain: RunConfig, tmp_path_factory: pytest.TempPathFactory
) -> PartyFile:
    """An item party that took part in one run, and has its result."""
    folder = tmp_path_factory.mktemp("item")
    for name in ("events.csv", "items.csv", "users.csv"):
        shutil.copy(tiny / name, folder / name)
    (folder / "party.toml").write_text(ITEM_FILE.format(share=SHARE))
    outcome = run_federation(
        Scenario(config=plain, item=split.item, partners=split.listening.partners, job=b"j" * 16)
    )
    job = folder / "state" / "jobs" / ("6a" * 16)
    job.mkdir(parents=True)
    save_settings(job, plain)
    save_result(job, outcome.item)
    return read_party_file(folder / "party.toml")


def changed(party: PartyFile, folder: Path, share: float) -> PartyFile:
    """The same party with another share hidden."""
    copy = folder / "item"
    shutil.copytree(party.file.parent, copy)
    (copy / "party.toml").write_text(ITEM_FILE.format(share=share))
    return read_party_file(copy / "party.toml")


def test_the_figures_are_those_a_simulation_gives(party: PartyFile, split: Split) -> None:
    (folder,) = finished_jobs(party)
    made = node_report(party, folder, command="fedrecall node report item")
    check(dict(made))
    popular = split.judge.popular("popularity").per_user["recall@50"]
    assert made["systems"]["popularity"]["recall@50"]["mean"] == pytest.approx(np.mean(popular))
    assert made["users"]["cold"] == len(split.cold)
    assert set(made["systems"]) == {"popularity", "federated"}
    assert made["systems"]["federated"]["recall@50"]["mean"] > 0
    assert set(made["cohorts"]) >= {"partners", "activity"}
    assert made["cost"]["bytes"]["backward"] > 0


def test_an_item_party_that_hid_nobody_cannot_be_judged(party: PartyFile, tmp_path: Path) -> None:
    open_book = changed(party, tmp_path, 0.0)
    (folder,) = finished_jobs(open_book)
    with pytest.raises(PartyFileError, match="cold_share"):
        node_report(open_book, folder, command="")


def test_other_tables_than_the_runs_are_refused(party: PartyFile, tmp_path: Path) -> None:
    other = changed(party, tmp_path, SHARE)
    events = other.file.parent / "events.csv"
    lines = events.read_text().splitlines()
    row = lines[1].split(",")
    row[lines[0].split(",").index("item_id")] = "brand-new-song"
    events.write_text("\n".join([*lines, ",".join(row)]) + "\n")
    (folder,) = finished_jobs(other)
    with pytest.raises(JobError, match="other tables"):
        node_report(other, folder, command="")


def test_only_the_item_party_judges(party: PartyFile, tmp_path: Path) -> None:
    (tmp_path / "party.toml").write_text(
        'name = "social"\nrole = "partner"\n[coordinator]\nhost = "h"\n[data]\nusers = "u.csv"\n'
    )
    with pytest.raises(PartyFileError, match="alone can judge"):
        node_report(read_party_file(tmp_path / "party.toml"), tmp_path, command="")


def test_the_command_writes_a_page_and_prints_json(
    party: PartyFile, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    place = str(party.file.parent)
    assert run(["node", "report", place, "--out", str(tmp_path), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["runtime"] == "flower"
    assert "<html" in (tmp_path / "report.html").read_text()
    assert run(["node", "report", place, "--job", "6a" * 16]) == 0
    assert "federated over popularity" in capfd.readouterr().out


def test_a_job_without_a_result_is_refused_by_name(
    party: PartyFile, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["node", "report", str(party.file.parent), "--job", "00"]) == 1
    assert "no result of job 00" in capfd.readouterr().err
