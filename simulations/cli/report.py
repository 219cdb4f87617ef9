"""`fedrecall report DIR`: a finished run's figures, and its page made anew."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from simulations.cli.complaints import say
from simulations.cli.summary import print_summary
from simulations.errors import RunFolderError
from simulations.report import ReportError, read_report, render_html, write_text
from simulations.run_folder import RunFolder

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def command(
    folder: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print report.json.")] = False,
) -> None:
    """Show a run's cold-start lift report and write report.html anew from report.json."""
    run = RunFolder(folder)
    if not run.report_json.exists():
        run.read_plan()  # raises if this is no run folder at all
        raise RunFolderError(
            f"{folder} has no report.json yet; finish it with: "
            f"fedrecall simulate --resume {shlex.quote(str(folder))}"
        )
    try:
        report = read_report(run.report_json)
    except ReportError as error:
        raise RunFolderError(f"{run.report_json}: {error}") from error
    write_text(render_html(report), run.report_html)
    if as_json:
        sys.stdout.write(run.report_json.read_text(encoding="utf-8"))
    else:
        print_summary(report, Console())
        say(f"\nreport: {run.report_html}")
