"""What the program teaches about itself."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import click
import pytest
import typer

from simulations.cli import bench, data, keys, node, report, simulate
from simulations.cli.complaints import complain, say, sentence
from simulations.cli.program import COMMANDS, PROGRAM, run
from simulations.errors import SimulationError

APPS: dict[str, typer.Typer | click.Command] = {
    "simulate": simulate.app,
    "report": report.app,
    "data": data.app,
    "node": node.group,
    "keys": keys.app,
    "bench": bench.app,
}


def leaves(
    command: click.Command, path: tuple[str, ...]
) -> list[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        return [
            leaf
            for name in command.list_commands(context)
            if (each := command.get_command(context, name)) is not None
            for leaf in leaves(each, (*path, name))
        ]
    return [(path, command)]


ALL = [
    leaf
    for name, app in APPS.items()
    for leaf in leaves(
        app if isinstance(app, click.Command) else typer.main.get_command(app), (name,)
    )
]


@pytest.mark.parametrize(("path", "command"), ALL, ids=[" ".join(path) for path, _ in ALL])
def test_help_explains_every_option(
    path: tuple[str, ...], command: click.Command, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run([*path, "--help"]) == 0
    said = capfd.readouterr().out
    assert (command.help or "").split("\n")[0].split()[0] in said
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name
            assert all(name in said for name in parameter.opts)
        else:
            assert (parameter.human_readable_name or "").strip("[]").lower() in said.lower()


def test_every_command_is_listed_with_what_it_does(capfd: pytest.CaptureFixture[str]) -> None:
    assert set(COMMANDS) == set(APPS)
    assert run(["--help"]) == 0
    said = capfd.readouterr().out
    assert all(name in said and each.help in said for name, each in COMMANDS.items())
    assert "fedrecall simulate --data world" in said


@pytest.mark.parametrize("arguments", [[], ["data"], ["bench"]])
def test_a_group_alone_shows_its_help_and_ends_as_wrong_usage(
    arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    captured = capfd.readouterr()
    assert "Commands" in captured.out + captured.err


def test_an_unknown_command_is_wrong_usage(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["simulat"]) == 2
    assert "simulat" in capfd.readouterr().err
    assert PROGRAM.get_command(click.Context(PROGRAM), "simulat") is None


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from simulations.cli.program import run\n"
        "code = run(['--help'])\n"
        "heavy = {'torch', 'numpy', 'pandas', 'tenseal', 'faiss', 'flwr', 'scipy'}\n"
        "sys.exit(code or ', '.join(heavy & set(sys.modules)) or 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_an_interrupt_anywhere_else_is_one_word_and_130(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    # A person's Ctrl-C, at a moment that no signal could hit reliably.
    monkeypatch.setattr(import_module("simulations.cli.data"), "generate", interrupted)
    assert run(["data", "make-world", str(tmp_path / "world")]) == 130
    assert capfd.readouterr().err.strip() == "interrupted"
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (PermissionError(13, "Permission denied", "/x/y"), "/x/y: Permission denied"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError("the pipe is closed"), "the pipe is closed"),
        (MemoryError(), "out of memory"),
        (MemoryError("Unable to allocate 3 GiB"), "out of memory: Unable to allocate 3 GiB"),
        (SimulationError(), "SimulationError"),
    ],
)
def test_an_error_is_said_for_people(error: Exception, says: str) -> None:
    assert sentence(error) == says


def test_a_long_path_is_never_broken(capfd: pytest.CaptureFixture[str]) -> None:
    path = "/data/" + "long/" * 60 + "[bold]name"
    complain(SimulationError(f"{path} is not there"))
    say(path)
    out, err = capfd.readouterr()
    assert out == f"{path}\n"
    assert err == f"error: {path} is not there\n"
