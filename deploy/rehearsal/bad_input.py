"""`make bad-input`: what must be refused, tried against a live federation.

Each case must be told of in the log of whoever must act, by a text that says what is wrong; and a
run of the others must end as if nothing had been: the same model and the same recall, bit for bit.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from deploy.rehearsal.commands import require_root, require_tools
from deploy.rehearsal.errors import OutOfTimeError, RehearsalError
from deploy.rehearsal.failures import RUN_S, STEP_S, small_federation, step_reached, undisturbed
from deploy.rehearsal.intruders import INTRUDERS, STRANGER, Intruder
from deploy.rehearsal.mishaps import MISHAPS, Mishap, take_disk_away
from deploy.rehearsal.outcomes import Outcome, outcome_of
from deploy.rehearsal.parties import Party
from deploy.rehearsal.rehearsal import Rehearsal, exit_code, tell, wait_for
from parties.config import COORDINATOR, ITEM
from simulations.cli.complaints import say

TOLD_S: Final = 150.0  # Flower notices a node that is gone after 60 s
EARLY_STEP: Final = 2
SHOWN: Final = 220  # characters of a log line


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What came of a case.

    Args:
        what: was tried.
        told: the line that its own node said, cut short; empty if there was none.
        logged: the line that the coordinator's node said; None if none was due.
        unharmed: whether the run of the others ended as undisturbed; None if there was none.
        problem: what went wrong otherwise.
    """

    what: str
    told: str = ""
    logged: str | None = None
    unharmed: bool | None = None
    problem: str = ""

    @property
    def passed(self) -> bool:
        """Whether it was refused, told and harmless."""
        heard = bool(self.told) and self.logged != ""
        return heard and self.unharmed is not False and not self.problem


def main(arguments: Sequence[str] | None = None) -> int:
    """Try every case and return the exit code."""
    given = parser().parse_args(arguments)
    return exit_code(lambda: _told(given))


def _told(given: argparse.Namespace) -> bool:
    require_root()
    require_tools("ip")
    findings = try_all(given.only)
    show(findings, as_json=given.json)
    return all(finding.passed for finding in findings)


def parser() -> argparse.ArgumentParser:
    """The options of this script."""
    made = argparse.ArgumentParser(prog="bad_input", description=__doc__)
    made.add_argument("--only", default="", help="only cases whose name holds this text")
    made.add_argument("--json", action="store_true", help="print JSON")
    return made


def try_all(only: str) -> list[Finding]:
    """Try every case whose name holds `only`, and a run at the end."""
    with small_federation(strangers=(STRANGER,)) as federation:
        federation.bring_up()
        reference = undisturbed(federation)
        partner = next(name for name in federation.parties if name not in (COORDINATOR, ITEM))
        findings = []
        for case in (each for each in (*INTRUDERS, *MISHAPS) if only in each.what):
            findings.append(attempt(federation, case, partner, reference))
            tell(line_of(findings[-1]))
        unharmed = undisturbed(federation).equals(reference)
        findings.append(Finding(what="a run after all of it", told="-", unharmed=unharmed))
        federation.take_down()
    return findings


def attempt(
    federation: Rehearsal, case: Intruder | Mishap, partner: str, reference: Outcome
) -> Finding:
    """Try one case; what goes wrong otherwise is part of the finding."""
    try:
        if isinstance(case, Intruder):
            return intrude(federation, case, partner, reference)
        return befall(federation, case, partner, reference)
    except RehearsalError as error:
        return Finding(what=case.what, problem=str(error)[-SHOWN:])


def intrude(
    federation: Rehearsal, intruder: Intruder, partner: str, reference: Outcome
) -> Finding:
    """Let an intruder try to get in while the others run."""
    stranger = intruder.make(federation, federation.parties[partner])
    logs = (_Log(stranger), _Log(federation.coordinator))
    federation.begin_run()
    wait_for("the first steps", lambda: step_reached(federation, EARLY_STEP), timeout_s=STEP_S)
    node = stranger.start_node()
    try:
        told = logs[0].await_line(intruder.told)
        logged = logs[1].await_line(intruder.logged) if intruder.logged else None
        federation.await_end(timeout_s=RUN_S)
    finally:
        stranger.host.kill_all()
        node.wait()
    unharmed = outcome_of(federation).equals(reference)
    return Finding(what=intruder.what, told=told, logged=logged, unharmed=unharmed)


def befall(federation: Rehearsal, mishap: Mishap, partner: str, reference: Outcome) -> Finding:
    """Let something go wrong at a partner, hear who is told, and mend it."""
    logs = (_Log(federation.parties[partner]), _Log(federation.coordinator))
    unharmed = None
    try:
        with mishap.happening(federation, partner) as worse:
            _begin(federation, mishap, worse)
            told = logs[0].await_line(mishap.told)
            logged = logs[1].await_line(mishap.logged) if mishap.logged else None
            if mishap.runs and not mishap.fills:
                federation.coordinator.fedrecall(
                    "node", "stop", str(federation.coordinator.folder)
                )
        if mishap.fills:
            federation.await_end(timeout_s=RUN_S)
            unharmed = outcome_of(federation).equals(reference)
    finally:
        if mishap.fills:
            take_disk_away(federation, partner)
    federation.await_ready(partner)
    return Finding(what=mishap.what, told=told, logged=logged, unharmed=unharmed)


def _begin(federation: Rehearsal, mishap: Mishap, worse: Callable[[], None]) -> None:
    """Begin the run that a mishap needs, and let it grow if it does."""
    if mishap.runs:
        federation.begin_run()
    if mishap.fills:
        wait_for("a step", lambda: step_reached(federation, EARLY_STEP), timeout_s=STEP_S)
        worse()


class _Log:
    """What a party's node prints from now on."""

    def __init__(self, party: Party) -> None:
        self._party = party
        self._begin = party.log.stat().st_size if party.log.exists() else 0

    def await_line(self, pattern: str) -> str:
        """The first line that holds a pattern, cut short; empty if none comes."""
        try:
            line = wait_for("a line", lambda: self._line(re.compile(pattern)), timeout_s=TOLD_S)
        except OutOfTimeError:
            return ""
        return line[:SHOWN]

    def _line(self, pattern: re.Pattern[str]) -> str | None:
        if not self._party.log.exists():
            return None
        text = self._party.log.read_bytes()[self._begin :].decode("utf-8", "replace")
        return next((line for line in text.splitlines() if pattern.search(line)), None)


def line_of(finding: Finding) -> str:
    """A finding as a line."""
    state = "refused, told, harmless" if finding.passed else "NOT AS IT MUST BE"
    return f"{finding.what:<36} {state}  {finding.problem}".rstrip()


def show(findings: Sequence[Finding], *, as_json: bool) -> None:
    """Print what came of every case."""
    if as_json:
        rows = [{**asdict(finding), "passed": finding.passed} for finding in findings]
        sys.stdout.write(json.dumps({"cases": rows}, indent=2) + "\n")
        return
    for finding in findings:
        say(line_of(finding))
        for who, line in (("its own node", finding.told), ("coordinator", finding.logged)):
            if line:
                say(f"    {who:<14} {line}")


if __name__ == "__main__":
    sys.exit(main())
