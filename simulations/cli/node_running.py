"""`fedrecall node up`, `run`, `status` and `stop`: a node at work."""

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from parties.errors import JobError, NodeError
from parties.node.jobs import Job, JobProgress, JobStatus, all_jobs, new_job
from parties.node.party_file import PartyFile, party_file_at, read_party_file
from parties.node.status import is_up, read_status
from parties.node.supervisor import run_node, until_signalled
from parties.role import Role
from parties.settings import override, parse_assignment
from simulations.cli.complaints import FAILURE, say

POLL_S: Final = 0.5
STOP_S: Final = 120.0  # parties are told over the hub; the steward ends what does not listen
VERSION: Final = 1
MIB: Final = 1024 * 1024

Party = Annotated[Path, typer.Argument(help="The node's folder, or its party.toml.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def up(party: Party = Path()) -> None:
    """Run this party's node in the foreground, until SIGTERM or Ctrl-C.

    Starts what the role needs, starts again what ends, and goes on with an unfinished job.
    """
    file = read_party_file(party_file_at(party))
    with until_signalled() as stop:
        run_node(file, stop)


def run(
    party: Party = Path(),
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="A setting other than in [run], as key=value; repeatable; see docs/settings.md.",
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow/--detach", help="Wait for the end, or only begin.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Have the parties train together; at the coordinator, whose node must be up."""
    file = _coordinator(party)
    config = file.run_config()
    for key, value in map(parse_assignment, settings or []):
        config = override(config, key, value)
    if not is_up(file.state):
        raise NodeError(
            f"the coordinator's node is not up; start it with: fedrecall node up {file.file}"
        )
    if (other := _unfinished(file)) is not None:
        raise NodeError(
            f"job {other.name} is not over; wait for it, or end it with: "
            f"fedrecall node stop {file.file}"
        )
    job = new_job(file.state, config)
    if not follow:
        _print_job(job, as_json=as_json)
        return
    if not as_json:
        say(f"job {job.name}; Ctrl-C leaves it running")
    _follow(file, job)
    _print_job(job, as_json=as_json)
    if job.progress().status is not JobStatus.DONE:
        raise typer.Exit(FAILURE)


def status(party: Party = Path(), as_json: AsJson = False) -> None:
    """Show how this party's node is; the exit code is 1 unless all of it runs."""
    file = read_party_file(party_file_at(party))
    written = read_status(file.paths.status)
    running = is_up(file.state)
    healthy = running and written is not None and bool(written["healthy"])
    if as_json:
        page = {"version": VERSION, "up": running, "healthy": healthy, "status": written}
        sys.stdout.write(json.dumps(page, indent=2) + "\n")
    else:
        _show_status(file, written, running=running)
    if not healthy:
        raise typer.Exit(FAILURE)


def stop(party: Party = Path()) -> None:
    """End the job that is on, at the coordinator; the nodes stay up."""
    file = _coordinator(party)
    job = _unfinished(file)
    if job is None:
        raise JobError(f"no job is on; {file.paths.jobs} holds none that is not over")
    job.ask_to_stop()
    if not is_up(file.state):
        say(f"job {job.name} is stopped as soon as the coordinator's node is up again")
        return
    deadline = time.monotonic() + STOP_S
    with Console(stderr=True).status("stopping …"):
        while not job.progress().status.over and time.monotonic() < deadline:
            time.sleep(POLL_S)
    progress = job.progress()
    if not progress.status.over:
        raise NodeError(
            f"job {job.name} has not ended after {STOP_S:.0f} s; look into {file.paths.log}, and "
            "start the coordinator's node again if need be"
        )
    say(f"job {job.name} is {progress.status.value}")


def _coordinator(party: Path) -> PartyFile:
    file = read_party_file(party_file_at(party))
    if file.role is not Role.COORDINATOR:
        raise NodeError(
            f"{file.file} is the file of {file.name!r}; runs are started and stopped at the "
            "coordinator, and this node is ended by SIGTERM to `fedrecall node up`"
        )
    return file


def _unfinished(file: PartyFile) -> Job | None:
    waiting = [job for job in all_jobs(file.state) if not job.progress().status.over]
    return waiting[-1] if waiting else None


def _follow(file: PartyFile, job: Job) -> None:
    """Show how a job goes on until it is over."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[recall]}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    said = ""
    with bar:
        task = bar.add_task("waiting", total=None, recall="")
        while not (now := job.progress()).status.over:
            up = is_up(file.state)
            recall = "" if now.recall is None else f"recall {now.recall:.3f}"
            bar.update(
                task,
                description=f"session {now.session} · {now.stage or now.status.value}",
                completed=now.done,
                total=now.total or None,
                recall=recall,
            )
            if (text := _line(now, up=up)) != said:
                bar.console.print(text, markup=False, soft_wrap=True)
                said = text
            time.sleep(POLL_S)


def _line(now: JobProgress, *, up: bool) -> str:
    """What is worth a line of its own when it changes."""
    if not up:
        return "the coordinator's node is down; the job goes on when it is up again"
    if now.status is JobStatus.WAITING:
        missing = f" for {', '.join(now.missing)}" if now.missing else ""
        return f"waiting{missing}" + (f": {now.reason}" if now.reason else "")
    return f"session {now.session}: {now.stage or 'begins'}"


def _print_job(job: Job, *, as_json: bool) -> None:
    progress = job.progress()
    if as_json:
        values = {**asdict(progress), "status": progress.status.value}
        page = {"version": VERSION, "job": job.name, "folder": str(job.folder), **values}
        sys.stdout.write(json.dumps(page, indent=2) + "\n")
        return
    because = f": {progress.reason}" if progress.reason else ""
    say(f"job {job.name} is {progress.status.value}{because}")
    if progress.session:
        say(f"sessions   {progress.session}")
    if progress.recall is not None:
        say(
            f"recall     {progress.recall:.3f} (best, on held-out listening of the training users)"
        )
    for party, stages in progress.sent.items():
        total = sum(stages.values())
        parts = ", ".join(f"{name} {count / MIB:.1f}" for name, count in stages.items() if count)
        say(f"sent       {total / MIB:.1f} MiB by {party} ({parts})")


def _show_status(file: PartyFile, written: Mapping[str, Any] | None, *, running: bool) -> None:
    say(f"{file.name} ({file.role.value}): {'up' if running else 'not up'}")
    if written is None:
        say(f"start it with: fedrecall node up {file.file}")
        return
    age_s = time.time() - float(written["written"])
    if not running:
        say(f"what follows was so {age_s:.0f} s ago, when it was last up")
    for child in written["children"]:
        again = f", started again {child['restarts']} times" if child["restarts"] else ""
        pid = f", process {child['pid']}" if child["pid"] else ""
        say(f"  {child['name']:10} {child['state']}{pid}{again}")
    activity = written["activity"]
    if not activity["job"]:
        say("  no job so far")
        return
    state = activity["status"] or activity["stage"] or "joined"
    say(
        f"  job {activity['job']}: {state}, session {activity['session']}, step {activity['step']}"
    )
    if activity["missing"]:
        say(f"  waits for {', '.join(activity['missing'])}")
    if activity["reason"]:
        say(f"  {activity['reason']}")
