"""A report in a terminal: the few figures a person asks for first."""

from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from simulations.report.page import control_warnings
from simulations.report.wording import system_label

METRIC: Final = "recall@50"
ALARM: Final = "bold white on red"
MEBI: Final = 1 << 20
Json = Mapping[str, Any]


def print_summary(report: Json, console: Console) -> None:
    """Print the systems side by side, then lift, cost and protection."""

    def line(text: str | Text = "") -> None:
        console.print(text, soft_wrap=True, highlight=False, markup=False)

    if report["profile"] == "plain":
        line(Text(" plain: nothing was protected ", style=ALARM))
    if report["privacy"]["accepted_single_partner"] and len(report["partners"]) == 1:
        line(Text(" one partner: its embedding was no sum ", style=ALARM))
    for warning in control_warnings(report, METRIC):
        line(Text(f" {warning} ", style=ALARM))
    line(_heading(report))
    console.print(_systems(report))
    line(Text.from_markup(_lift(report)))
    line(_cost(report))
    line("privacy loss (epsilon): not yet accounted")


def _heading(report: Json) -> str:
    seeds = len(report["seeds"])
    return (
        f"{report['data']} · {report['profile']} · {METRIC} of {report['users']['cold']:,} cold "
        f"users among {report['items']:,} {report['item_noun']} · "
        f"{seeds} {'split' if seeds == 1 else 'splits'}"
    )


def _systems(report: Json) -> Table:
    table = Table()
    table.add_column("system", no_wrap=True)
    table.add_column(METRIC, justify="right", no_wrap=True)
    table.add_column("95 % interval", justify="right", no_wrap=True)
    for name, metrics in report["systems"].items():
        value = metrics[METRIC]
        style = "bold" if name == "federated" else None
        interval = f"{value['low']:.3f} … {value['high']:.3f}"
        table.add_row(system_label(name), f"{value['mean']:.3f}", interval, style=style)
    return table


def _lift(report: Json) -> str:
    """The lift over popularity as a line of rich markup."""
    lift = report["lift"]["federated_vs_popularity"][METRIC]
    if lift["relative"] is None:
        return f"federated over popularity: no ratio, {escape(lift.get('reason', 'unknown'))}"
    interval = ""
    if lift["low"] is not None:
        interval = f" (95 % interval {lift['low']:+.0%} … {lift['high']:+.0%})"
    return f"federated over popularity: [bold]{lift['relative']:+.0%}[/bold] {METRIC}{interval}"


def _cost(report: Json) -> str:
    cost = report["cost"]
    sent = sum(cost["bytes"].values()) / MEBI
    seconds = sum(cost["seconds"].values())
    return f"cost: {sent:,.1f} MiB sent, {seconds:,.0f} s in all stages and splits together"
