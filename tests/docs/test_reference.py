import ast
import inspect
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest

import federation.errors
import parties.errors
import recall.errors
import simulations.errors
import simulations.lift.errors
import simulations.report.errors
import towers.errors
from tests.docs.pages import ROOT, text

with warnings.catch_warnings():
    # typer reads a name on import that click has deprecated.
    warnings.filterwarnings("ignore", "'click.utils", DeprecationWarning)
    from simulations.cli.program import COMMANDS, PROGRAM

ERRORS = (
    federation.errors,
    parties.errors,
    towers.errors,
    recall.errors,
    simulations.errors,
    simulations.lift.errors,
    simulations.report.errors,
)
NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by what a person types."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        yield from commands(inner, f"{path} {name}")


def section(page: str, heading: str) -> str:
    """What stands under a heading of level two."""
    _, found, rest = (ROOT / page).read_text(encoding="utf-8").partition(f"\n## {heading}\n")
    assert found, f"{page} has no section {heading}"
    return rest.split("\n## ")[0]


@pytest.mark.parametrize(("path", "command"), [*commands(PROGRAM, "fedrecall")], ids=str)
def test_every_command_and_option_is_documented(path: str, command: click.Command) -> None:
    described = section("docs/cli.md", f"`{path}`")
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            names = [*parameter.opts, *parameter.secondary_opts]
        else:
            names = [parameter.name.upper() if parameter.name else ""]
        for name in names:
            assert f"`{name}`" in described or f"`{name} " in described, name


def test_no_documented_command_is_missing() -> None:
    known = {path for path, _ in commands(PROGRAM, "fedrecall")}
    page = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^## `(fedrecall[^`]*)`$", page, re.MULTILINE)) == known


@pytest.mark.parametrize("name", COMMANDS)
def test_the_readme_names_every_command(name: str) -> None:
    assert f"fedrecall {name}" in (ROOT / "README.md").read_text(encoding="utf-8")


def error_classes(module: ModuleType) -> list[str]:
    kinds = inspect.getmembers(module, inspect.isclass)
    return [name for name, kind in kinds if kind.__module__ == module.__name__]


@pytest.mark.parametrize("module", ERRORS, ids=lambda module: module.__name__)
def test_every_error_is_documented(module: ModuleType) -> None:
    described = section("docs/errors.md", f"`{module.__name__}`")
    missing = [name for name in error_classes(module) if f"| `{name}` |" not in described]
    assert missing == []


def test_no_documented_error_is_missing_and_no_error_module_forgotten() -> None:
    known = {name for module in ERRORS for name in error_classes(module)}
    page = text(ROOT / "docs/errors.md")
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == known
    packages = ("federation", "parties", "towers", "recall", "simulations")
    files = {path for package in packages for path in (ROOT / package).rglob("errors.py")}
    assert {Path(str(module.__file__)) for module in ERRORS} == files


def functions(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_every_test_that_a_claim_of_protection_names_exists() -> None:
    named = NAMED_TEST.findall((ROOT / "THREATS.md").read_text(encoding="utf-8"))
    assert len(named) >= 30
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not (ROOT / file).is_file() or name not in functions(ROOT / file)
    ]
    assert missing == []
