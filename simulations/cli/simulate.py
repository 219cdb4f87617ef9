"""`fedrecall simulate`: a whole federation on this machine, ending in a report."""

import json
import shlex
import sys
import time
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from federation.protocol.profile import Profile
from parties.events import Progress
from parties.settings import parse_assignment
from simulations.cli.progress import LiveProgress
from simulations.cli.summary import print_summary
from simulations.data import load
from simulations.run_folder import Plan, RunFolder, SimulationConfig
from simulations.simulate import simulate
from simulations.tasks import Task
from simulations.world import PRESETS, WorldConfig, generate, write_world

WORLD: Final = "world"
DEMO_WORLD: Final = "demo"
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Runtime(Enum):
    """What carries the messages."""

    MEMORY = "memory"


class Model(Enum):
    """What the item party trains."""

    DSSM = "dssm"


@app.command()
def command(  # noqa: PLR0913, PLR0917 - one parameter an option
    data: Annotated[
        str,
        typer.Option(help="world, lastfm-2k, lastfm-15k, or a folder with a federation.toml."),
    ] = WORLD,
    profile: Annotated[
        Profile,
        typer.Option(
            help="strict: encrypted both ways. frozen: one encrypted round, nothing comes back. "
            "plain: no protection, the baseline to measure against."
        ),
    ] = Profile.STRICT,
    runtime: Annotated[
        Runtime, typer.Option(help="What carries the messages: one process a split.")
    ] = Runtime.MEMORY,
    model: Annotated[Model, typer.Option(help="The item party's model.")] = Model.DSSM,
    splits: Annotated[
        int, typer.Option(min=1, help="Independent draws of who is cold; more, tighter figures.")
    ] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same recall.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the run; it must not exist yet.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any setting, as key=value; see docs/settings.md."),
    ] = None,
    accept_single_partner: Annotated[
        bool,
        typer.Option(
            "--accept-single-partner",
            help="Run strict with one partner, whose embedding is then no sum; printed in red.",
        ),
    ] = False,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Tasks at a time; one a core unless given.")
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(help="Continue the run in this folder; all other settings come from it."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print report.json instead of a summary.")
    ] = False,
) -> None:
    """Run a whole federation on this machine and write its cold-start lift report.

    Parties are aligned, trained and served by the real sessions over real, encrypted bytes; only
    the wire is this machine's memory. An interrupted run continues with --resume.
    """
    if resume is not None:
        folder = RunFolder(resume)
        plan = folder.read_plan()
    else:
        config = _configure(settings or [], profile, seed, accept_single_partner)
        plan = Plan(
            data=data,
            splits=splits,
            config=config,
            runtime=runtime.value,
            model=model.value,
            command=_command_line(),
        )
        folder, plan = _begin(plan, out)
    report = _watch(plan, folder, processes=processes)
    _show(report, folder, as_json=as_json)


def _configure(
    settings: list[str], profile: Profile, seed: int, accept_single_partner: bool
) -> SimulationConfig:
    config = SimulationConfig()
    for key, value in map(parse_assignment, settings):
        config = config.with_setting(key, value)
    run = replace(config.run, profile=profile, seed=seed)
    if accept_single_partner:
        run = replace(run, exchange=replace(run.exchange, accept_single_partner=True))
    return replace(config, run=run)


def _command_line() -> str:
    return shlex.join(["fedrecall", *sys.argv[1:]])


def _begin(plan: Plan, out: Path | None) -> tuple[RunFolder, Plan]:
    """Make the run's folder, with a world in it if one is asked for."""
    named = f"{time.strftime('%Y%m%d-%H%M%S')}-{Path(plan.data).name}-"
    path = out or Path("runs") / (named + plan.config.run.profile.value)
    if plan.data == WORLD:
        folder = RunFolder.create(path, plan)
        write_world(generate(_world(plan)), folder.data)
        plan = replace(plan, data=str(folder.data))
        folder.write_plan(plan)
        return folder, plan
    load(plan.data)  # before the folder is made: bad data must leave nothing behind
    return RunFolder.create(path, plan), plan


def _world(plan: Plan) -> WorldConfig:
    return replace(PRESETS[DEMO_WORLD], seed=plan.config.run.seed)


def _watch(plan: Plan, folder: RunFolder, *, processes: int | None) -> Any:  # noqa: ANN401 - JSON
    errors = Console(stderr=True)
    with LiveProgress(errors) as bars:

        def listen(task: Task, progress: Progress) -> None:
            bars.show(task, progress)

        try:
            return simulate(plan, folder, listen, processes=processes)
        except KeyboardInterrupt:
            errors.print(f"interrupted; continue with: fedrecall simulate --resume {folder.path}")
            raise


def _show(report: Any, folder: RunFolder, *, as_json: bool) -> None:  # noqa: ANN401 - JSON
    if as_json:
        sys.stdout.write(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
        return
    print_summary(report, Console())
    Console().print(f"\nreport: {folder.report_html}\nfigures: {folder.report_json}")
