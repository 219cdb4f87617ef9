"""`make capture`: what the wire and the coordinator see of a `strict` run, searched for secrets.

All that crosses the switch is captured, and all that crosses the coordinator's loopback. What the
coordinator sees behind TLS is in the memory of its processes, Flower's and the hub's among them,
and in the files they leave; both are copied. Everything is searched for identifiers, names,
features, embeddings and the item party's vectors. A control proves the search: the same sessions
without any protection, where it must find them.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from deploy.rehearsal.commands import require_root, require_tools
from deploy.rehearsal.control import run_control
from deploy.rehearsal.evidence import (
    Evidence,
    Place,
    Sight,
    Verdict,
    search_files,
    search_wire,
)
from deploy.rehearsal.finder import Finder, Kind
from deploy.rehearsal.hosts import BRIDGE
from deploy.rehearsal.marking import Marks
from deploy.rehearsal.needles import (
    Gathered,
)
from deploy.rehearsal.parties import Plan
from deploy.rehearsal.party_secrets import secrets_of
from deploy.rehearsal.rehearsal import Rehearsal, exit_code, own_folder, rehearsal, tell
from deploy.rehearsal.snapshots import Snapshots
from deploy.rehearsal.sniffer import capturing
from deploy.rehearsal.tables import hand_out
from deploy.rehearsal.toml_lines import Value
from parties.archive import unpack_arrays
from parties.config import COORDINATOR
from parties.events import Stage
from simulations.cli.complaints import say

HELLO: Final = b"\x16\x03\x01"  # how every TLS connection begins


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the check and return its exit code."""
    given = parser().parse_args(arguments)
    return exit_code(lambda: _told(given))


def _told(given: argparse.Namespace) -> bool:
    evidence = gather(given)
    show(evidence, as_json=given.json)
    return evidence.verdict() is Verdict.CLEAN


def parser() -> argparse.ArgumentParser:
    """The options of this script."""
    made = argparse.ArgumentParser(prog="capture", description=__doc__)
    made.add_argument("--data", default="lastfm-2k", help="name or folder of the data set")
    made.add_argument("--epochs", type=int, default=2, help="epochs of both runs")
    made.add_argument("--keep", type=Path, help="keep all that was seen here; must not exist")
    made.add_argument("--json", action="store_true", help="print JSON")
    return made


def gather(given: argparse.Namespace) -> Evidence:
    """Run and search both the protected run and its control."""
    require_root()
    require_tools("ip", "dumpcap")
    run: dict[str, Value] = {"seed": 0, "training.epochs": given.epochs}
    with ExitStack() as stack:
        folder = own_folder(given.keep, stack)
        handouts = hand_out(given.data, folder / "tables", marks=Marks())
        experiment: Mapping[str, Value] = {"repeatable": True, "cold_share": 0.2}
        plan = Plan(
            folder=folder / "hosts",
            run={"profile": "strict", **run},
            handouts=handouts,
            experiment=experiment,
        )
        tell(f"{', '.join(plan.names)}: a host each; keys are made and certified")
        with rehearsal(plan) as federation:
            protected, counted = run_protected(federation, folder)
            control = run_control(federation, folder, run)
    return Evidence(protected=protected, control=control, needles=counted)


def run_protected(federation: Rehearsal, folder: Path) -> tuple[list[Sight], Mapping[Kind, int]]:
    """A `strict` run as it is deployed, captured and searched."""
    coordinator = federation.coordinator
    wire, loopback = folder / "wire.pcap", folder / "loopback.pcap"
    snapshots = Snapshots(coordinator.host, folder / "memory", lambda: exchanging(federation))
    with (
        capturing(federation.network.switch, BRIDGE, wire),
        capturing(coordinator.host.namespace, "lo", loopback),
    ):
        federation.bring_up()
        with snapshots.running():
            federation.follow()
        snapshots.take()
        job = federation.jobs()[-1]
        result = unpack_arrays(federation.result().read_bytes())
        stores = {name: federation.job_folder(name) / "checkpoints" for name in federation.parties}
        federation.take_down()
    tell("the strict run is over and is searched")
    vectors = (result["queries"], result["items"])
    gathered = secrets_of(federation.parties, job.config, stores, vectors)
    finder = Finder(gathered.needles)
    files = [path for path in coordinator.folder.rglob("*") if path.is_file()]
    sights = [
        search_wire(Place.WIRE, wire, finder, COORDINATOR.encode()),
        search_wire(Place.LOOPBACK, loopback, finder, HELLO),
        search_files(Place.MEMORY, [snapshots.path], finder, job.id),
        search_files(Place.FILES, files, finder, job.name.encode()),
    ]
    return sights, {kind: _different(gathered, kind) for kind in Kind}


def exchanging(federation: Rehearsal) -> bool:
    """Whether the parties of the newest run are exchanging batches now."""
    return federation.progress().stage in (Stage.TRAINING.value, Stage.SERVING.value)


def _different(gathered: Gathered, kind: Kind) -> int:
    return sum(1 for needle in gathered.needles if needle.kind is kind)


def show(evidence: Evidence, *, as_json: bool) -> None:
    """Print what was found where, and the verdict."""
    if as_json:
        sys.stdout.write(json.dumps(as_plain(evidence), indent=2) + "\n")
        return
    for title, sights in (("strict", evidence.protected), ("control", evidence.control)):
        for sight in sights:
            say(f"{title:<8} {sight.place.value:<28} {sight.size / 2**20:9.1f} MiB searched")
            for kind in Kind:
                say(f"{'':<11}{kind.value:<40} {sight.found[kind]:>8} found")
            if sight.place is Place.WIRE:
                say(f"{'':<11}{'bytes outside TLS':<40} {sight.unsealed:>8}")
    for doubt in evidence.doubts():
        say(f"doubt: {doubt}")
    say(f"{evidence.verdict().name}: {evidence.verdict().value}")


def as_plain(evidence: Evidence) -> dict[str, Any]:
    """The evidence as JSON has it."""

    def plain(sights: Sequence[Sight]) -> dict[str, Any]:
        return {
            sight.place.name.lower(): {
                "bytes": sight.size,
                "found": {kind.name.lower(): count for kind, count in sight.found.items()},
                "unsealed": sight.unsealed,
                "missing": sight.missing,
                "canary": sight.canary,
            }
            for sight in sights
        }

    return {
        "verdict": evidence.verdict().name,
        "doubts": evidence.doubts(),
        "sought": {kind.name.lower(): count for kind, count in evidence.needles.items()},
        "strict": plain(evidence.protected),
        "control": plain(evidence.control),
    }


if __name__ == "__main__":
    sys.exit(main())
