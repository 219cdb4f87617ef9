"""The program `fedrecall`: finds its commands, and turns errors into one clear line.

Commands are imported when they are called: `--help` answers at once, and the worker processes
that a simulation starts do not load what they have no use for.
"""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NoReturn

import click

from federation.errors import SettingError
from simulations.cli.complaints import (
    FAILURE,
    INTERRUPTED,
    USAGE,
    complain,
    say,
)
from simulations.cli.lazy import Lazy, LazyCommands
from simulations.errors import expected
from towers.errors import ConfigError

# A privacy product phones nobody; both must be set before Flower is imported anywhere.
os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")

COMMANDS: Final[Mapping[str, Lazy]] = MappingProxyType(
    {
        "simulate": Lazy(
            "simulations.cli.simulate:app", "Run a whole federation and write its report."
        ),
        "report": Lazy("simulations.cli.report:app", "Show a run's cold-start lift report."),
        "data": Lazy("simulations.cli.data:app", "List, describe, fetch and make data sets."),
        "node": Lazy("simulations.cli.node:group", "Run one party's node of a real federation."),
        "keys": Lazy(
            "simulations.cli.keys:app", "Make, show, sign and check the keys of a party."
        ),
        "bench": Lazy("simulations.cli.bench:app", "Measure speed and size against named peers."),
    }
)


PROGRAM: Final = LazyCommands(
    COMMANDS,
    name="fedrecall",
    help_text=(
        "Privacy-preserving vertical federated recall for music.\n\n"
        "Begin with:  fedrecall simulate --data world --out runs/first"
    ),
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
    except expected() as error:
        complain(error)
        return FAILURE
    return code if isinstance(code, int) else 0
