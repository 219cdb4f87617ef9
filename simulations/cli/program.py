"""The program `fedrecall`: finds its commands, and turns errors into one clear line.

Commands are imported when they are called: `--help` answers at once, and the worker processes
that a simulation starts do not load what they have no use for.
"""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import MappingProxyType
from typing import Final, NoReturn

import click
import typer

from federation.errors import SettingError
from simulations.cli.complaints import (
    FAILURE,
    INTERRUPTED,
    USAGE,
    complain,
    say,
)
from simulations.errors import EXPECTED
from towers.errors import ConfigError

# A privacy product phones nobody; both must be set before Flower is imported anywhere.
os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")

COMMANDS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "simulate": ("simulations.cli.simulate", "Run a whole federation and write its report."),
        "report": ("simulations.cli.report", "Show a run's cold-start lift report."),
        "data": ("simulations.cli.data", "List, describe, fetch and make data sets."),
        "node": ("simulations.cli.node", "Run one party's node of a real federation."),
        "keys": ("simulations.cli.keys", "Make, show, sign and check the keys of a party."),
        "bench": ("simulations.cli.bench", "Measure speed and size against named peers."),
    }
)


class LazyCommands(click.Group):
    """Commands that are imported when they are called, not when they are listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands, in the order people need them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command; None if there is no such one."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = import_module(COMMANDS[cmd_name][0])
        command: click.Command = typer.main.get_command(module.app)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


PROGRAM: Final = LazyCommands(
    name="fedrecall",
    help=(
        "Privacy-preserving vertical federated recall for music.\n\n"
        "Begin with:  fedrecall simulate --data world --out runs/first"
    ),
    no_args_is_help=True,
)


def main() -> NoReturn:
    """Run the program and leave with its exit code: 0 done, 1 failed, 2 wrong usage."""
    # A run that is asked to end ends like an interrupted one: its workers too, nothing half-done.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(run())


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code."""
    try:
        code = PROGRAM.main(arguments, prog_name="fedrecall", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        say("interrupted", error=True)
        return INTERRUPTED
    except (SettingError, ConfigError) as error:
        complain(error)
        return USAGE
    except EXPECTED as error:
        complain(error)
        return FAILURE
    return code if isinstance(code, int) else 0
