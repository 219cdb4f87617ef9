"""`fedrecall data …`: data sets that are here, that can be fetched, that can be made."""

import json
import shlex
import sys
from dataclasses import fields, replace
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from federation.errors import SettingError
from parties.settings import override, parse_assignment
from simulations.cli.complaints import say
from simulations.data import (
    DATA_SETS,
    PUBLICATIONS,
    TableFormat,
    data_root,
    describe,
    install,
    load,
    publication,
    render,
)
from simulations.data import (
    fetch as fetch_publication,
)
from simulations.world import PARTNERS, PRESETS, WorldConfig, generate, write_world

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
WORLD_KEYS: Final = tuple(f.name for f in fields(WorldConfig) if f.name != "partners")


class Preset(Enum):
    """Sizes of a world."""

    SMALL = "small"
    DEMO = "demo"
    MEDIUM = "medium"
    LARGE = "large"


@app.callback()
def group() -> None:
    """List, describe, fetch and make data sets.

    Named data sets lie in the folder that the environment variable FEDRECALL_DATA names, else in
    ./data.
    """


@app.command("list")
def list_data(as_json: AsJson = False) -> None:
    """List the data sets that have a name, and whether they are on this machine."""
    root = data_root()
    rows = [
        {
            "name": name,
            "here": (root / name).is_dir(),
            "fetchable": name in PUBLICATIONS,
            "summary": data_set.summary,
            "terms": data_set.terms,
        }
        for name, data_set in DATA_SETS.items()
    ]
    if as_json:
        _print_json({"root": str(root), "data_sets": rows})
        return
    say(f"data sets in {root}")
    for row in rows:
        missing = "fetchable: fedrecall data fetch" if row["fetchable"] else "not here"
        state = "here" if row["here"] else f"{missing} {row['name']}"
        say(f"\n{row['name']}  ({state})\n    {row['summary']}\n    terms: {row['terms']}")
    say("\nworld  (made when it is asked for)\n    a generated listening world; see docs/world.md")


@app.command("describe")
def describe_data(
    data: Annotated[str, typer.Argument(help="A data set's name, or a folder.")],
    as_json: AsJson = False,
) -> None:
    """Say what a data set holds, party by party, without showing any identifier."""
    summary = describe(load(data).tables)
    if as_json:
        _print_json(summary.to_json())
    else:
        Console().print(render(summary))


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="A data set's name; see data list.")],
    file: Annotated[
        Path | None, typer.Option(help="Use this file, fetched by other means.")
    ] = None,
) -> None:
    """Fetch a public data set, check it and unpack it; an interrupted download goes on."""
    source, root = publication(name), data_root()
    console = Console(stderr=True)
    if file is not None:
        folder = install(source, file, root)
    else:
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        ) as bars:
            bar = bars.add_task(name, total=None)

            def show(done: int, total: int | None) -> None:
                bars.update(bar, completed=done, total=total)

            folder = fetch_publication(source, root, progress=show)
    say(f"{name} is in {folder}")


@app.command("make-world")
def make_world(
    folder: Annotated[Path, typer.Argument(help="Where to; it must not exist yet.")],
    preset: Annotated[Preset, typer.Option(help="The sizes to start from.")] = Preset.DEMO,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same world.")] = 0,
    partners: Annotated[
        str, typer.Option(help=f"Who takes part, of {', '.join(PARTNERS)}.")
    ] = "social,video",
    table_format: Annotated[
        TableFormat, typer.Option("--format", help="How tables are stored.")
    ] = TableFormat.CSV,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any setting of docs/world.md, as key=value."),
    ] = None,
) -> None:
    """Make a listening world: songs, people, plays, partners, and the truth behind them."""
    try:
        config = replace(PRESETS[preset.value], seed=seed, partners=_partners(partners))
    except ValueError as error:
        raise SettingError(str(error)) from error
    for key, value in map(parse_assignment, settings or []):
        config = _set(config, key, value)
    with Console(stderr=True).status(
        f"making {config.users:,} users and {config.songs:,} songs …"
    ):
        write_world(generate(config), folder, format=table_format)
    path = shlex.quote(str(folder))
    say(f"the world is in {folder}; run it with: fedrecall simulate --data {path}")


def _partners(names: str) -> tuple[Any, ...]:
    chosen = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in chosen if name not in PARTNERS]
    if unknown or not chosen:
        raise SettingError(f"--partners takes some of {', '.join(PARTNERS)}, not {names!r}")
    return tuple(PARTNERS[name] for name in chosen)


def _set(config: WorldConfig, key: str, value: str) -> WorldConfig:
    """One setting, or one partner's, as `social.coverage=0.5`."""
    name, _, rest = key.partition(".")
    chosen = {partner.name: partner for partner in config.partners}
    if rest and name in chosen:
        changed = {**chosen, name: override(chosen[name], rest, value)}
        return replace(config, partners=tuple(changed.values()))
    if key not in WORLD_KEYS:
        raise SettingError(f"unknown setting {key}; a world has {', '.join(WORLD_KEYS)}")
    return override(config, key, value)


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
