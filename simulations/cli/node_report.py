"""`fedrecall node report`: what a real run brought, judged by the item party."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from parties.errors import JobError
from parties.node.party_file import party_file_at, read_party_file
from simulations.cli.complaints import say
from simulations.cli.summary import print_summary
from simulations.node_report import finished_jobs, node_report
from simulations.report import render_html, write_report, write_text


def report(
    party: Annotated[Path, typer.Argument(help="The item party's folder, or its party.toml.")],
    job: Annotated[
        str | None,
        typer.Option(help="The job, in hexadecimal.", show_default="the newest finished one"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for report.html and report.json.", show_default="the job's"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print report.json.")] = False,
) -> None:
    """Judge a finished run on the listeners that the item party hid from it.

    Only the item party can do this, and only if its party.toml says `cold_share` in [experiment].
    """
    file = read_party_file(party_file_at(party))
    done = finished_jobs(file)
    if job is not None:
        done = [folder for folder in done if folder.name == job]
    if not done:
        what = f"job {job}" if job else "any run"
        raise JobError(f"{file.paths.jobs} holds no result of {what} yet")
    folder = done[-1]
    made = node_report(file, folder, command=shlex.join(["fedrecall", *sys.argv[1:]]))
    place = out or folder
    write_report(dict(made), place / "report.json")
    write_text(render_html(dict(made)), place / "report.html")
    if as_json:
        sys.stdout.write((place / "report.json").read_text(encoding="utf-8"))
        return
    print_summary(made, Console())
    say(f"\nreport:  {place / 'report.html'}\nfigures: {place / 'report.json'}")
