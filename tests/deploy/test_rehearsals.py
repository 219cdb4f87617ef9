"""Whole rehearsals, minutes long: a party killed in a run, and a control that shows everything."""

import shutil
from pathlib import Path

import pytest

from deploy.rehearsal.cases import Case, Disturbance
from deploy.rehearsal.control import run_control
from deploy.rehearsal.evidence import Place
from deploy.rehearsal.failures import RUN, attempt, small_federation, undisturbed
from deploy.rehearsal.finder import Kind
from deploy.rehearsal.marking import Marks
from parties.config import COORDINATOR, ITEM

pytestmark = [pytest.mark.usefixtures("real_hosts"), pytest.mark.slow]


def test_a_run_ends_as_undisturbed_although_a_partner_was_killed() -> None:
    with small_federation() as federation:
        federation.bring_up()
        reference = undisturbed(federation)
        partner = next(name for name in federation.parties if name not in (COORDINATOR, ITEM))
        case = Case(disturbance=Disturbance.PARTNER, victim=partner, step=5, pause_s=1.0)
        verdict = attempt(federation, case, reference)
        federation.take_down()
        assert all(not party.host.pids() for party in federation.parties.values())
    assert verdict.passed, verdict.problem
    assert verdict.sessions == 2


@pytest.mark.skipif(shutil.which("dumpcap") is None, reason="dumpcap is missing (tshark)")
def test_a_run_without_protection_shows_everything_to_the_wire(tmp_path: Path) -> None:
    with small_federation(marks=Marks()) as federation:
        settings = {key: value for key, value in RUN.items() if key != "profile"}
        sights = run_control(federation, tmp_path, {**settings, "training.epochs": 2})
    wire = next(sight for sight in sights if sight.place is Place.WIRE)
    assert [kind for kind in Kind if not wire.found[kind]] == []
    assert wire.unsealed == wire.size
    assert wire.missing == 0
