"""A report in a terminal: the few figures a person asks for first."""

from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console
from rich.table import Table

METRIC: Final = "recall@50"
MEBI: Final = 1 << 20


def print_summary(report: Mapping[str, Any], console: Console) -> None:
    """Print the systems side by side, then cost and protection."""
    if report["profile"] == "plain":
        console.print("[bold white on red] plain: nothing was protected [/]")
    console.print(_systems(report))
    lift = report["lift"]["federated_vs_popularity"][METRIC]
    if lift["relative"] is not None:
        console.print(
            f"federated over popularity: [bold]{lift['relative']:+.0%}[/bold] {METRIC} "
            f"(95 % interval {lift['low']:+.0%} … {lift['high']:+.0%})"
        )
    cost = report["cost"]
    sent = sum(cost["bytes"].values()) / MEBI
    seconds = sum(cost["seconds"].values())
    console.print(
        f"profile {report['profile']} · {sent:,.1f} MiB sent · {seconds:,.0f} s of stages · "
        "privacy loss (epsilon) not yet accounted"
    )


def _systems(report: Mapping[str, Any]) -> Table:
    users = report["users"]
    title = (
        f"{report['data']}: {METRIC} of {users['cold']} cold users, "
        f"{len(report['seeds'])} split(s), {report['items']} {report['item_noun']}"
    )
    table = Table(title=title, title_justify="left")
    table.add_column("system")
    table.add_column(METRIC, justify="right")
    table.add_column("95 % interval", justify="right")
    for name, metrics in report["systems"].items():
        value = metrics[METRIC]
        style = "bold" if name == "federated" else None
        interval = f"{value['low']:.3f} … {value['high']:.3f}"
        table.add_row(name, f"{value['mean']:.3f}", interval, style=style)
    return table
