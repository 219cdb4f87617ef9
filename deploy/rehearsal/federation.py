"""`make federation`: four hosts, real keys, real nodes, one run, its figures, and nothing left.

Everything is done by the commands that three organisations would type; docs/deploy.md walks the
same way by hand.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from deploy.rehearsal.cable import Cable
from deploy.rehearsal.commands import require_root, require_tools
from deploy.rehearsal.errors import CommandFailedError
from deploy.rehearsal.parties import FEDRECALL, Plan
from deploy.rehearsal.rehearsal import Rehearsal, exit_code, own_folder, rehearsal, tell
from deploy.rehearsal.tables import hand_out
from deploy.rehearsal.toml_lines import Value
from simulations.cli.complaints import say

COLD_SHARE: Final = 0.2  # as in a simulation
HEADLINE: Final = "recall@50"
SIMULATION_S: Final = 3600.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the rehearsal and return its exit code."""
    given = parser().parse_args(arguments)
    return exit_code(lambda: _told(given))


def _told(given: argparse.Namespace) -> bool:
    figures = rehearse(given)
    show(figures, as_json=given.json)
    return bool(figures.get("equal", True))


def parser() -> argparse.ArgumentParser:
    """The options of this script."""
    made = argparse.ArgumentParser(prog="federation", description=__doc__)
    made.add_argument("--data", default="lastfm-2k", help="name or folder of the data set")
    made.add_argument("--profile", default="strict", help="strict, frozen or sealed")
    made.add_argument("--seed", type=int, default=0, help="same seed, same recall")
    made.add_argument("--epochs", type=int, help="most epochs; the run's own default otherwise")
    made.add_argument("--netem", action="store_true", help="40 ms there and back, 100 Mbit/s")
    made.add_argument("--compare", action="store_true", help="simulate the same and compare")
    made.add_argument("--keep", type=Path, help="keep the parties' folders here; must not exist")
    made.add_argument("--json", action="store_true", help="print JSON")
    return made


def rehearse(given: argparse.Namespace) -> dict[str, Any]:
    """Bring a federation up, run it, and tear it down; returns its figures."""
    require_root()
    require_tools("ip", "tc")
    with ExitStack() as stack:
        folder = own_folder(given.keep, stack)
        handouts = hand_out(given.data, folder / "tables")
        run: dict[str, Value] = {"profile": given.profile, "seed": given.seed}
        if given.epochs is not None:
            run["training.epochs"] = given.epochs
        plan = Plan(
            folder=folder / "hosts",
            run=run,
            handouts=handouts,
            experiment={"repeatable": True, "cold_share": COLD_SHARE},
        )
        tell(f"{', '.join(plan.names)}: a host each; keys are made and certified")
        cable = Cable() if given.netem else None
        with rehearsal(plan, cable=cable) as federation:
            figures = run_once(federation)
        if given.compare:
            figures |= compare(figures, given)
    return figures


def run_once(federation: Rehearsal) -> dict[str, Any]:
    """Bring all nodes up, run, report, and take them down."""
    begun = time.monotonic()
    federation.bring_up()
    up = time.monotonic()
    tell("the run begins")
    federation.follow()
    done = time.monotonic()
    progress = federation.progress()
    report = federation.report()
    federation.take_down()
    tell("all nodes are stopped; the hosts are removed")
    return {
        "report": report,
        "recall": report["systems"]["federated"],
        "popularity": report["systems"]["popularity"],
        "seconds": {
            "nodes up": up - begun,
            "run": done - up,
            "first message to first step": progress.seconds,
        },
        "sessions": progress.session,
        "sent": {name: dict(stages) for name, stages in progress.sent.items()},
    }


def compare(figures: dict[str, Any], given: argparse.Namespace) -> dict[str, Any]:
    """The same run simulated in one process, and whether its recall is the same."""
    tell("the same run in one process, to compare")
    options = ["--data", given.data, "--profile", given.profile, "--seed", str(given.seed)]
    if given.epochs is not None:
        options += ["--set", f"training.epochs={given.epochs}"]
    argv = [FEDRECALL, "simulate", *options, "--splits", "1", "--json"]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(  # noqa: S603 - argv list, no shell
            [*argv, "--out", str(Path(folder) / "run")],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
            timeout=SIMULATION_S,
        )
    if done.returncode != 0:
        raise CommandFailedError(f"{' '.join(argv)}: exit code {done.returncode}")
    simulated = json.loads(done.stdout)["systems"]["federated"]
    means = [
        {key: value["mean"] for key, value in each.items()}
        for each in (figures["recall"], simulated)
    ]
    return {"simulated": simulated, "equal": means[0] == means[1]}


def show(figures: dict[str, Any], *, as_json: bool) -> None:
    """Print the figures."""
    if as_json:
        sys.stdout.write(json.dumps(figures, indent=2) + "\n")
        return
    for name in ("popularity", "recall", "simulated"):
        if name in figures:
            label = {"recall": "deployed"}.get(name, name)
            say(f"{label:<12} {HEADLINE} {figures[name][HEADLINE]['mean']:.6f}")
    if "equal" in figures:
        say(f"{'':<12} {'equal in every figure' if figures['equal'] else 'NOT EQUAL'}")
    for name, seconds in figures["seconds"].items():
        say(f"{name:<28} {seconds:8.1f} s" if seconds is not None else f"{name}: not measured")
    for name, stages in figures["sent"].items():
        say(f"{name:<12} sent {sum(stages.values()) / 2**20:10.1f} MiB")


if __name__ == "__main__":
    sys.exit(main())
