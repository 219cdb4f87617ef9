"""What an auditor types, and what they see."""

import json
from pathlib import Path
from typing import Any

import pytest

from federation.exchange.traffic import Traffic
from federation.protocol.messages import Activations
from simulations.cli.program import run
from tests.parties.ledgers import JOB, note_some, opened, whole_session

PARTY = """\
name = "coordinator"
role = "coordinator"
state = "state"
keys = "keys"
roster = "roster.toml"
[listen]
host = "127.0.0.1"
"""
OTHER_JOB = bytes([7] * 16)


@pytest.fixture
def party(tmp_path: Path) -> Path:
    """A party's folder with a party.toml and no ledger."""
    (tmp_path / "party.toml").write_text(PARTY, encoding="utf-8")
    return tmp_path


def ledger_of(party: Path, job: bytes = JOB) -> Path:
    path = party / "state" / "jobs" / job.hex() / "ledger.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    page: dict[str, Any] = json.loads(capsys.readouterr().out)
    return page


def test_a_ledger_is_shown_by_phase_recipient_and_message(
    party: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    whole_session(ledger_of(party))

    assert run(["node", "ledger", str(party), "--verify"]) == 0
    shown = capsys.readouterr().out
    (row,) = (line for line in shown.splitlines() if "Activations" in line)
    assert "forward" in row
    assert "coordinator" in row
    assert " 2,001 " in row
    assert "BFV ciphertext under the item party's key, masked" in row
    assert "on the wire, as the link counted: 3 frames, 2,061 bytes" in shown
    assert "chain, head and sums agree; 5 lines, digest " in shown
    assert JOB.hex() in shown


def test_json_holds_releases_sessions_and_the_digest(
    party: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole_session(ledger_of(party))
    with opened(ledger_of(party), session=bytes(16)) as ledger:
        note_some(ledger)
        digest = ledger.digest

    assert run(["node", "ledger", str(party), "--json", "--verify"]) == 0
    (one,) = printed(capsys)["ledgers"]
    assert (one["party"], one["job"], one["lines"], one["faults"]) == ("social", JOB.hex(), 9, [])
    assert one["digest"] == digest
    (forward,) = (each for each in one["releases"] if each["phase"] == "forward")
    assert (forward["kind"], forward["to"], forward["frames"]) == ("Activations", "coordinator", 4)
    first, second = one["sessions"]
    assert first["wire"]["forward"] == first["noted"]["forward"] == {"frames": 2, "bytes": 2001}
    assert second["wire"] is None
    assert "has no end" in one["remarks"][0]


def test_jobs_are_shown_in_their_order_or_one_alone(
    party: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole_session(ledger_of(party, OTHER_JOB), job=OTHER_JOB)
    whole_session(ledger_of(party))
    for arguments, jobs in (
        ([], [OTHER_JOB.hex(), JOB.hex()]),
        (["--job", JOB.hex().upper()], [JOB.hex()]),
    ):
        assert run(["node", "ledger", str(party), "--json", *arguments]) == 0
        assert [each["job"] for each in printed(capsys)["ledgers"]] == jobs


def test_an_auditors_copy_needs_no_party(
    party: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole_session(ledger_of(party))
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(ledger_of(party).read_bytes())

    assert run(["node", "ledger", str(copy), "--json"]) == 0
    assert printed(capsys)["ledgers"][0]["path"] == str(copy)


@pytest.mark.parametrize(("options", "code"), [([], 0), (["--verify"], 1), (["--json"], 0)])
def test_a_faulty_ledger_is_shown_with_its_fault_and_fails_when_verified(
    party: Path, options: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    path = ledger_of(party)
    whole_session(path)
    path.write_bytes(path.read_bytes().replace(b"coordinator", b"elsewhere--"))

    assert run(["node", "ledger", str(party), *options]) == code
    shown = capsys.readouterr()
    assert "line 4: it does not follow the line before it" in shown.out
    assert ("error:" in shown.err) is bool(code)
    if "--json" not in options:
        assert "FAULT: " in shown.out
        assert "cannot be taken for the truth; 3 lines" in shown.out


def test_every_fault_is_counted(party: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for job in (JOB, OTHER_JOB):
        with opened(ledger_of(party, job), job=job) as ledger:
            wire = Traffic()
            note_some(ledger, wire=wire)
            wire.count(Activations(9, 1, ()), 70)  # which no ledger has
            ledger.close_session(wire)

    assert run(["node", "ledger", str(party), "--verify"]) == 1
    assert "(and 1 more)" in capsys.readouterr().err


def test_a_file_that_is_no_ledger_is_faulty(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("dear diary\n", encoding="utf-8")

    assert run(["node", "ledger", str(path), "--verify"]) == 1
    shown = capsys.readouterr()
    assert "unknown party" in shown.out
    assert "notes.txt, line 1: it is not a JSON object of a ledger" in shown.err


@pytest.mark.parametrize("arguments", [[], ["--job", "00" * 16]])
def test_a_party_without_a_ledger_is_told_so(
    party: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["node", "ledger", str(party), *arguments]) == 1
    assert "holds no ledger of " in capsys.readouterr().err


def test_a_folder_without_a_party_file_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["node", "ledger", str(tmp_path)]) == 1
    assert "party.toml" in capsys.readouterr().err
