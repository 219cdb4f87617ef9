"""All checks of a node together, against real files and a real coordinator's ports."""

import json
import threading
from pathlib import Path

import pytest

from federation.exchange.grpc_hub import HubServer
from federation.exchange.hub import Hub
from federation.protocol.limits import Limits
from parties.keys import load_keys, read_roster
from parties.node.checks import CHECKS, all_well, as_json, check_node
from parties.node.examined import CheckLimits
from parties.node.findings import Finding, Outcome, failed, passed, skipped, warned
from parties.role import Role
from tests.parties.node.conftest import NodeMaker
from tests.parties.node.files import ITEM, PARTNER, write
from tests.parties.node.servers import TlsServer, free_port, serving, telling_the_time

# Flower 1.41 asks pathspec for a pattern under its old name when it builds a bundle.
pytestmark = pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")
QUICK = CheckLimits(timeout_s=5.0, free_bytes=1)


def outcomes(findings: tuple[Finding, ...]) -> dict[str, Outcome]:
    return {finding.check: finding.outcome for finding in findings}


@pytest.mark.parametrize("role", [Role.ITEM, Role.PARTNER])
def test_a_node_with_nothing_to_mend_passes_every_check(
    node: NodeMaker, made_keys: Path, role: Role
) -> None:
    roster = read_roster(made_keys / "roster.toml")
    hub = Hub(roster.names, Limits())
    coordinator = load_keys(made_keys / "coordinator")
    server = HubServer(hub, "127.0.0.1:0", tls=coordinator.tls, pins=roster.pins())
    hub_port = server.start()
    gate = TlsServer(made_keys / "coordinator", telling_the_time())
    try:
        with serving(gate) as flower_port:
            file = node(role, flower_port=flower_port, hub_port=hub_port, health=free_port())
            findings = tuple(check_node(file, QUICK))
    finally:
        server.stop()
    assert [each for each in findings if each.outcome is not Outcome.PASSED] == []
    assert len(findings) == len(CHECKS[role]) + 1
    assert all_well(findings)


def test_a_coordinator_with_nothing_to_mend_passes_every_check(node: NodeMaker) -> None:
    file = node(
        Role.COORDINATOR, flower_port=free_port(), hub_port=free_port(), health=free_port()
    )
    findings = tuple(check_node(file, QUICK))
    assert set(outcomes(findings).values()) == {Outcome.PASSED}
    assert len(findings) == len(CHECKS[Role.COORDINATOR]) + 1


def test_a_bad_party_file_is_the_only_finding(tmp_path: Path) -> None:
    file = write(tmp_path, PARTNER.replace("users", "user"))
    (finding,) = check_node(file, QUICK)
    assert finding.outcome is Outcome.FAILED
    assert "data.user: is not a key; close: users" in finding.detail
    assert finding.remedy == f"change {file}"


def test_a_missing_party_file_is_a_finding_and_no_crash(tmp_path: Path) -> None:
    (finding,) = check_node(tmp_path / "party.toml")
    assert "`fedrecall node init` writes one" in finding.detail


def test_a_node_with_nothing_but_a_file_has_a_remedy_for_every_failure(tmp_path: Path) -> None:
    findings = tuple(check_node(write(tmp_path, ITEM), QUICK))
    failures = {each.check for each in findings if each.outcome is Outcome.FAILED}
    assert failures == {"data", "keys", "roster"}
    assert all(each.remedy for each in findings if each.outcome is Outcome.FAILED)
    skips = {each.check for each in findings if each.outcome is Outcome.SKIPPED}
    assert skips == {"flower port", "hub port", "clock"}
    assert not all_well(findings)


def test_checking_leaves_nothing_behind(node: NodeMaker) -> None:
    file = node(Role.PARTNER, health=free_port())
    before = sorted(file.parent.rglob("*"))
    threads = set(threading.enumerate())  # those of other tests may still be there
    tuple(check_node(file, CheckLimits(timeout_s=0.5)))
    assert sorted(file.parent.rglob("*")) == before
    assert not any(thread.is_alive() for thread in set(threading.enumerate()) - threads)


def test_only_failures_make_a_node_unwell() -> None:
    others = (passed("a", "b"), warned("c", "d", "e"), skipped("f", "g"))
    assert all_well(others)
    assert not all_well((*others, failed("h", "i", "j")))


def test_findings_can_be_read_by_a_machine() -> None:
    told = as_json((passed("keys", "fine"), failed("clock", "off", "enable NTP")))
    assert json.loads(json.dumps(told)) == {
        "ok": False,
        "findings": [
            {"check": "keys", "outcome": "passed", "detail": "fine", "remedy": ""},
            {"check": "clock", "outcome": "failed", "detail": "off", "remedy": "enable NTP"},
        ],
    }


def test_no_finding_of_a_node_shows_a_secret(node: NodeMaker) -> None:
    file = node(Role.PARTNER, health=free_port())
    text = json.dumps(as_json(tuple(check_node(file, CheckLimits(timeout_s=0.5)))))
    for secret in (file.parent / "keys").glob("*.key"):
        lines = secret.read_text().splitlines()[1:-1]
        assert lines
        assert not any(line in text for line in lines)
