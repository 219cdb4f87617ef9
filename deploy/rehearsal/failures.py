"""`make failures`: the power cut at every party and a cut line, at random steps of a run.

One undisturbed run is the reference. Then, case by case, a new run is disturbed: everything on a
party's host is killed at once and its node started again, or a partner's line is cut and mended.
Every run must end by itself with the same model at every party and the same recall, bit for bit,
and no party may have released anything twice in one session.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from deploy.rehearsal.cases import Case, Verdict, disturb, draw, line_of, read_cases
from deploy.rehearsal.commands import require_root, require_tools
from deploy.rehearsal.errors import RehearsalError
from deploy.rehearsal.marking import Marks
from deploy.rehearsal.outcomes import Outcome, outcome_of
from deploy.rehearsal.parties import Plan
from deploy.rehearsal.rehearsal import Rehearsal, exit_code, own_folder, rehearsal, tell, wait_for
from deploy.rehearsal.tables import hand_out
from deploy.rehearsal.toml_lines import Value
from parties.events import Stage
from simulations.cli.complaints import say
from simulations.world import PRESETS, generate, write_world

USERS: Final = 1536  # twelve groups of slots, so that all batches are of two
EPOCHS: Final = 8
RUN: Final[
    Mapping[str, Value]
] = {  # many short steps, so that a disturbance meets the run at work
    "profile": "strict",
    "seed": 0,
    "training.epochs": EPOCHS,
    "exchange.batch_groups": 2,
    "encoder.width": 8,
}
RUN_S: Final = 900.0
STEP_S: Final = 600.0
DEFAULT_CASES: Final = "partner:5,item:5,coordinator:5,link:1"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cases and return the exit code."""
    given = parser().parse_args(arguments)
    return exit_code(lambda: _told(given))


def _told(given: argparse.Namespace) -> bool:
    wanted = read_cases(given.cases)
    require_root()
    require_tools("ip")
    with small_federation(given.keep) as federation:
        federation.bring_up()
        reference = undisturbed(federation)
        cases = draw(wanted, federation, reference, seed=given.seed)
        verdicts = [attempt(federation, case, reference) for case in cases]
        federation.take_down()
    show(reference, verdicts, as_json=given.json)
    return all(verdict.passed for verdict in verdicts)


def parser() -> argparse.ArgumentParser:
    """The options of this script."""
    made = argparse.ArgumentParser(prog="failures", description=__doc__)
    made.add_argument("--cases", default=DEFAULT_CASES, help="what to do how often")
    made.add_argument("--seed", type=int, default=0, help="decides victims, steps and pauses")
    made.add_argument("--keep", type=Path, help="keep the parties' folders here; must not exist")
    made.add_argument("--json", action="store_true", help="print JSON")
    return made


@contextmanager
def small_federation(
    keep: Path | None = None, *, strangers: tuple[str, ...] = (), marks: Marks | None = None
) -> Iterator[Rehearsal]:
    """A federation on a generated world, whose runs take less than a minute."""
    with ExitStack() as stack:
        folder = own_folder(keep, stack)
        write_world(generate(replace(PRESETS["small"], users=USERS)), folder / "world")
        plan = Plan(
            folder=folder / "hosts",
            run=RUN,
            handouts=hand_out(str(folder / "world"), folder / "tables", marks=marks),
            experiment={"repeatable": True, "cold_share": 0.2},
            strangers=strangers,
        )
        tell(f"{', '.join(plan.names)}: a host each; keys are made and certified")
        yield stack.enter_context(rehearsal(plan))


def undisturbed(federation: Rehearsal) -> Outcome:
    """Run once without any disturbance.

    Raises:
        RehearsalError: even that failed, or it counted something twice.
    """
    begun = time.monotonic()
    federation.begin_run()
    federation.await_end(timeout_s=RUN_S)
    outcome = outcome_of(federation)
    tell(
        f"undisturbed: recall@50 {outcome.recall:.6f} after {len(outcome.epochs)} epochs, "
        f"{time.monotonic() - begun:.0f} s"
    )
    if not outcome.counted_once:
        raise RehearsalError("the undisturbed run counted something twice; see the ledgers")
    return outcome


def attempt(federation: Rehearsal, case: Case, reference: Outcome) -> Verdict:
    """Begin a run, disturb it, and judge what comes of it."""
    verdict = Verdict(case=case)
    try:
        federation.begin_run()
        met_at = wait_for(
            f"step {case.step}", lambda: step_reached(federation, case.step), timeout_s=STEP_S
        )
        verdict = replace(verdict, met_at=met_at)
        begun = time.monotonic()
        disturb(federation, case)
        federation.await_end(timeout_s=RUN_S)
        seconds = time.monotonic() - begun
        outcome = outcome_of(federation)
    except RehearsalError as error:
        verdict = replace(verdict, problem=str(error))
    else:
        verdict = replace(
            verdict,
            seconds=seconds,
            sessions=outcome.sessions,
            recall=outcome.recall,
            equal=outcome.equals(reference),
            counted_once=outcome.counted_once,
        )
    tell(line_of(verdict))
    return verdict


def step_reached(federation: Rehearsal, step: int) -> int | None:
    """The step that the newest run is at, once it has come as far as `step`.

    Raises:
        RehearsalError: the run was over before.
    """
    progress = federation.progress()
    if progress.status.over:
        raise RehearsalError(f"the run was over before step {step}: {progress.reason}")
    reached = progress.stage == Stage.TRAINING.value and progress.done >= step
    return progress.done if reached else None


def show(reference: Outcome, verdicts: Sequence[Verdict], *, as_json: bool) -> None:
    """Print the failure table."""
    if as_json:
        cases = [
            {
                **asdict(verdict),
                "case": {
                    **asdict(verdict.case),
                    "disturbance": verdict.case.disturbance.value,
                },
                "passed": verdict.passed,
            }
            for verdict in verdicts
        ]
        page = {"recall": reference.recall, "epochs": len(reference.epochs), "cases": cases}
        sys.stdout.write(json.dumps(page, indent=2) + "\n")
        return
    say(f"{'reference':<12} {'':<12} {'':<12}  recall@50 {reference.recall:.6f}")
    for verdict in verdicts:
        say(line_of(verdict))
    passed = sum(verdict.passed for verdict in verdicts)
    say(f"{passed} of {len(verdicts)} runs ended as the undisturbed one")


if __name__ == "__main__":
    sys.exit(main())
