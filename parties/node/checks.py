"""What `fedrecall node check` looks at, in the order in which mistakes are best mended."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from parties.errors import PartyFileError
from parties.node.check_files import check_data, check_modes, check_state
from parties.node.check_links import (
    check_clock,
    check_flower_port,
    check_health_port,
    check_hub_port,
    check_listening,
)
from parties.node.check_trust import check_apps, check_keys, check_roster, check_run
from parties.node.check_versions import check_versions
from parties.node.examined import CheckLimits, Examined, examine
from parties.node.findings import Finding, Outcome, failed, passed
from parties.node.party_file import read_party_file
from parties.role import Role

Check: TypeAlias = Callable[[Examined], Finding]

_OF_A_DIALLER: Final[tuple[Check, ...]] = (
    check_data,
    check_keys,
    check_roster,
    check_apps,
    check_modes,
    check_state,
    check_versions,
    check_health_port,
    check_flower_port,
    check_hub_port,
    check_clock,
)
CHECKS: Final[Mapping[Role, tuple[Check, ...]]] = MappingProxyType(
    {
        Role.COORDINATOR: (
            check_keys,
            check_roster,
            check_run,
            check_modes,
            check_state,
            check_versions,
            check_health_port,
            check_listening,
        ),
        Role.ITEM: _OF_A_DIALLER,
        Role.PARTNER: _OF_A_DIALLER,
    }
)


def check_node(file: Path, limits: CheckLimits | None = None) -> Iterator[Finding]:
    """Check a node, one finding at a time; nothing is sent but what a connection begins with.

    Args:
        file: its party.toml.
        limits: how long and against what; the defaults if None.
    """
    try:
        party = read_party_file(file)
    except PartyFileError as error:
        place = f"{error.key}: " if error.key else ""
        yield failed("party.toml", f"{place}{error.problem}", f"change {error.file}")
        return
    yield passed("party.toml", f"{party.role.value} {party.name!r}, {party.file}")
    examined = examine(party, limits or CheckLimits())
    for check in CHECKS[party.role]:
        yield check(examined)


def all_well(findings: Sequence[Finding]) -> bool:
    """Whether nothing has to be mended."""
    return all(finding.outcome is not Outcome.FAILED for finding in findings)


def as_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """The findings for a machine."""
    rows = [{**asdict(each), "outcome": each.outcome.name.lower()} for each in findings]
    return {"ok": all_well(findings), "findings": rows}
