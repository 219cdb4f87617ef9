"""Groups of commands that are imported when they are called, not when they are listed.

`--help` answers at once, and a process that runs one command loads what that one needs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click
import typer


@dataclass(frozen=True, slots=True)
class Lazy:
    """Where a command is.

    Args:
        place: `module:name` of a Typer app, a click command or a function.
        help: what it does, in one sentence.
    """

    place: str
    help: str

    def load(self) -> click.Command:
        """Import it."""
        module, _, name = self.place.partition(":")
        found: click.Command | typer.Typer | Callable[..., Any] = getattr(
            import_module(module), name
        )
        if isinstance(found, click.Command):
            return found
        if not isinstance(found, typer.Typer):
            app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            app.command()(found)
            found = app
        command: click.Command = typer.main.get_command(found)
        return command


class LazyCommands(click.Group):
    """Commands that are imported when they are called."""

    def __init__(self, commands: Mapping[str, Lazy], *, name: str, help_text: str) -> None:
        """Make a group; the commands are listed in the order in which they are given."""
        super().__init__(name=name, help=help_text, no_args_is_help=True)
        self.places = commands

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands, in the order people need them."""
        del ctx
        return list(self.places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command; None if there is no such one."""
        del ctx
        if cmd_name not in self.places:
            return None
        command = self.places[cmd_name].load()
        command.name = cmd_name
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.help) for name, each in self.places.items()])
