"""`fedrecall simulate`: a whole federation on this machine, ending in a report."""

import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final

import click
import typer
from click.core import ParameterSource
from rich.console import Console

from federation.errors import SettingError
from federation.protocol.profile import Profile
from parties.settings import parse_assignment
from simulations.channels.names import NONE, ChannelName, parse_channels
from simulations.cli.complaints import INTERRUPTED, say, sentence
from simulations.cli.progress import LiveProgress
from simulations.cli.summary import print_summary
from simulations.errors import RunStoppedError, expected
from simulations.run_folder import WORLD, Plan, RunFolder, SimulationConfig
from simulations.simulate import Run, begin, simulate
from simulations.simulate import resume as resume_run
from simulations.tasks import Runtime

WITH_RESUME: Final = frozenset({"resume", "processes", "as_json"})
OPTIONS_OF_THEIR_OWN: Final = MappingProxyType({"profile": "--profile", "seed": "--seed"})
Json = Mapping[str, Any]
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Model(Enum):
    """What the item party trains."""

    DSSM = "dssm"


@app.command()
def command(  # noqa: PLR0913, PLR0917 - one parameter an option
    context: typer.Context,
    data: Annotated[
        str,
        typer.Option(
            help="world (generated for the run), lastfm-2k, lastfm-15k, or a folder with a "
            "federation.toml."
        ),
    ] = WORLD,
    profile: Annotated[
        Profile,
        typer.Option(
            help="strict: encrypted both ways. frozen: one encrypted round, nothing comes back. "
            "plain: no protection, the baseline to measure against."
        ),
    ] = Profile.STRICT,
    runtime: Annotated[
        Runtime,
        typer.Option(
            help="What runs the parties. memory: threads of one process. flower: Flower's "
            "simulation engine, each party in a process of its own."
        ),
    ] = Runtime.MEMORY,
    model: Annotated[Model, typer.Option(help="The item party's model.")] = Model.DSSM,
    channels: Annotated[
        str,
        typer.Option(
            help="The platform's own channels to train beside the federated one, to compare and "
            "fuse on warm and cold users: all, none, or names with commas: "
            f"{', '.join(ChannelName)}."
        ),
    ] = NONE,
    splits: Annotated[
        int, typer.Option(min=1, help="Independent draws of who is cold; more, tighter figures.")
    ] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same recall.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the run; it must not exist yet.",
            show_default="runs/DATE-TIME-DATA-PROFILE",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Any setting, as key=value; repeatable; all keys are in docs/settings.md.",
        ),
    ] = None,
    accept_single_partner: Annotated[
        bool,
        typer.Option(
            "--accept-single-partner",
            help="Run strict with one partner, whose embedding is then no sum; printed in red.",
        ),
    ] = False,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Tasks at a time.", show_default="one a core")
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(help="Continue the run in this folder, under the settings it began with."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print report.json instead of a summary.")
    ] = False,
) -> None:
    """Run a whole federation on this machine and write its cold-start lift report.

    Parties are aligned, trained and served by the real sessions over real, encrypted bytes; only
    the wire is this machine. An interrupted run continues with --resume.
    """
    if resume is not None:
        _refuse_more_than_resume(context)
    with Console(stderr=True).status("reading data …"):
        if resume is not None:
            run = resume_run(resume)
        else:
            plan = Plan(
                data=data,
                splits=splits,
                config=_configure(settings or [], profile, seed, accept_single_partner),
                runtime=runtime,
                model=model.value,
                command=_command_line(),
                channels=parse_channels(channels),
            )
            run = begin(plan, out or _default_folder(plan))
    report = _watch(run, processes=processes)
    _show(report, run.folder, as_json=as_json)


def _refuse_more_than_resume(context: typer.Context) -> None:
    """A setting given beside --resume would be ignored; say so instead."""
    given = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name not in WITH_RESUME
        and context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
    ]
    if given:
        raise click.UsageError(
            f"--resume takes all settings from the run's folder: leave out {', '.join(given)}, or "
            "begin a new run with --out"
        )


def _configure(
    settings: list[str], profile: Profile, seed: int, accept_single_partner: bool
) -> SimulationConfig:
    config = SimulationConfig()
    for key, value in map(parse_assignment, settings):
        if option := OPTIONS_OF_THEIR_OWN.get(key):
            raise SettingError(f"{key} is set by {option}, not by --set")
        config = config.with_setting(key, value)
    run = replace(config.run, profile=profile, seed=seed)
    if accept_single_partner:
        run = replace(run, exchange=replace(run.exchange, accept_single_partner=True))
    return replace(config, run=run)


def _command_line() -> str:
    return shlex.join(["fedrecall", *sys.argv[1:]])


def _default_folder(plan: Plan) -> Path:
    name = Path(plan.data).resolve().name
    stamp = time.strftime("%Y%m%d-%H%M%S")
    return Path("runs") / f"{stamp}-{name}-{plan.config.run.profile.value}"


def _watch(run: Run, *, processes: int | None) -> Json:
    way_on = f"continue with: fedrecall simulate --resume {shlex.quote(str(run.folder.path))}"
    try:
        with LiveProgress(Console(stderr=True)) as bars:
            return simulate(run, bars.show, processes=processes)
    except KeyboardInterrupt:
        run.folder.log("interrupted")
        say(f"interrupted; {way_on}", error=True)
        raise typer.Exit(INTERRUPTED) from None
    except expected() as error:
        run.folder.log(f"stopped: {sentence(error)}")
        raise RunStoppedError(f"{sentence(error)}; what is done is kept, {way_on}") from error


def _show(report: Json, folder: RunFolder, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(folder.report_json.read_text(encoding="utf-8"))
        return
    print_summary(report, Console())
    say(f"\nreport:  {folder.report_html}\nfigures: {folder.report_json}")
