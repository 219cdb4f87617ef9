"""Cases of the failure table are read strictly, drawn by their seed, and judged by the bit."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.rehearsal.bad_input import Finding
from deploy.rehearsal.cases import Case, Disturbance, Verdict, line_of, read_cases
from deploy.rehearsal.errors import RehearsalError
from deploy.rehearsal.outcomes import Outcome, repeated_releases

OUTCOME = Outcome(
    recall=0.25,
    digests={"item": "aa", "social": "bb"},
    epochs=(0, 1, 2),
    repeated={"item": 0, "social": 0},
    sessions=1,
    steps=6,
)
CASE = Case(disturbance=Disturbance.PARTNER, victim="social", step=3, pause_s=1.0)
GOOD = Verdict(
    case=CASE, met_at=3, seconds=60, sessions=2, recall=0.25, equal=True, counted_once=True
)


def test_cases_are_read_in_their_order() -> None:
    wanted = read_cases("item:2, link,coordinator:1")
    assert wanted == [
        Disturbance.ITEM,
        Disturbance.ITEM,
        Disturbance.LINK,
        Disturbance.COORDINATOR,
    ]


@pytest.mark.parametrize("text", ["", "nobody", "item:many", "item:1;link:1"])
def test_what_is_no_case_is_refused_with_those_there_are(text: str) -> None:
    with pytest.raises(RehearsalError, match="partner, item, coordinator, link"):
        read_cases(text)


@pytest.mark.parametrize(
    "other",
    [
        replace(OUTCOME, recall=0.2500001),
        replace(OUTCOME, digests={"item": "aa", "social": "xx"}),
        replace(OUTCOME, epochs=(0, 1)),
    ],
)
def test_a_run_that_differs_anywhere_is_not_equal(other: Outcome) -> None:
    assert not other.equals(OUTCOME)


def test_the_number_of_sessions_makes_no_difference() -> None:
    assert replace(OUTCOME, sessions=3).equals(OUTCOME)


@pytest.mark.parametrize("epochs", [(0, 1, 1), (0, 2), (1, 2), (1, 0)])
def test_an_epoch_that_is_missing_or_comes_twice_is_noticed(epochs: tuple[int, ...]) -> None:
    assert OUTCOME.counted_once
    assert not replace(OUTCOME, epochs=epochs).counted_once


def ledger(tmp_path: Path, *entries: Mapping[str, object]) -> Path:
    path = tmp_path / "ledger.jsonl"
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return path


RELEASE = {"event": "release", "session": "a", "kind": "Activations", "step": 4, "to": "hub"}


def test_a_release_that_left_twice_in_a_session_is_counted(tmp_path: Path) -> None:
    assert repeated_releases(ledger(tmp_path, RELEASE, RELEASE, RELEASE)) == 2


@pytest.mark.parametrize(
    "change",
    [{"session": "b"}, {"kind": "MaskedProducts"}, {"step": 5}, {"to": "item"}],
)
def test_releases_that_differ_are_no_repetition(
    change: Mapping[str, object], tmp_path: Path
) -> None:
    assert repeated_releases(ledger(tmp_path, RELEASE, {**RELEASE, **change})) == 0


def test_what_belongs_to_no_step_may_come_again(tmp_path: Path) -> None:
    other = {"event": "opened", "session": "a"}
    asked = {**RELEASE, "step": None}
    assert repeated_releases(ledger(tmp_path, other, other, asked, asked)) == 0


def test_only_a_run_as_undisturbed_passes() -> None:
    assert GOOD.passed
    assert "as undisturbed" in line_of(GOOD)
    for worse in (
        replace(GOOD, equal=False),
        replace(GOOD, counted_once=False),
        replace(GOOD, problem="the run failed"),
    ):
        assert not worse.passed
        assert "as undisturbed" not in line_of(worse)


def test_a_refusal_passes_only_if_it_was_told_and_harmed_nobody() -> None:
    good = Finding(what="a wrong certificate", told="certificate", logged="so", unharmed=True)
    assert good.passed
    assert replace(good, logged=None, unharmed=None).passed
    for worse in (
        replace(good, told=""),
        replace(good, logged=""),
        replace(good, unharmed=False),
        replace(good, problem="the run failed"),
    ):
        assert not worse.passed
