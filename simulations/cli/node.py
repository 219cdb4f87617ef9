"""`fedrecall node`: one party's part in a federation of several machines."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from simulations.cli.lazy import Lazy, LazyCommands

COMMANDS: Final[Mapping[str, Lazy]] = MappingProxyType(
    {
        "init": Lazy("simulations.cli.node_setup:init", "Write a commented party.toml."),
        "check": Lazy(
            "simulations.cli.node_setup:check", "Check what it needs; say what to mend."
        ),
        "up": Lazy("simulations.cli.node_running:up", "Run the node and keep it running."),
        "run": Lazy("simulations.cli.node_running:run", "Start a run, at the coordinator."),
        "status": Lazy("simulations.cli.node_running:status", "Show how node and run are."),
        "stop": Lazy("simulations.cli.node_running:stop", "End the run, at the coordinator."),
        "report": Lazy("simulations.cli.node_report:report", "Judge a run, at the item party."),
        "ledger": Lazy("simulations.cli.node_ledger:ledger", "Show what left this party."),
    }
)

group: Final = LazyCommands(
    COMMANDS,
    name="node",
    help_text=(
        "Run one party's node: the coordinator's, the item party's or a partner's.\n\n"
        "Begin with:  fedrecall node init DIR --role partner --name social --coordinator HOST"
    ),
)
