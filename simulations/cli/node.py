"""`fedrecall node`: one party's part in a federation of several machines."""

import typer

from simulations.cli.node_ledger import ledger
from simulations.cli.node_report import report
from simulations.cli.node_running import add_running
from simulations.cli.node_setup import add_setup

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help=(
        "Run one party's node: the coordinator's, the item party's or a partner's.\n\n"
        "Begin with:  fedrecall node init DIR --role partner --name social --coordinator HOST"
    ),
)
add_setup(app)
add_running(app)
app.command()(report)
app.command()(ledger)
