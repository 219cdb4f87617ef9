"""The files that put a node on a machine, read as what they are."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
import yaml  # type: ignore[import-untyped]

ROOT: Final = Path(__file__).parents[2]
DEPLOY: Final = ROOT / "deploy"
DOCKERFILE: Final = DEPLOY / "docker" / "Dockerfile"
COMPOSE: Final = DEPLOY / "docker" / "compose.yaml"
UNIT: Final = DEPLOY / "systemd" / "fedrecall-node@.service"
KUBERNETES: Final = DEPLOY / "kubernetes"
GUIDE: Final = ROOT / "docs" / "deploy.md"
PARTIES: Final = ("coordinator", "item", "social", "forum")
NODE_UID: Final = 10001


def documents(path: Path) -> list[dict[str, Any]]:
    """Every document of a YAML file."""
    return [each for each in yaml.safe_load_all(path.read_text(encoding="utf-8")) if each]


def document(path: Path, kind: str) -> dict[str, Any]:
    """The one document of a kind."""
    [found] = [each for each in documents(path) if each["kind"] == kind]
    return found


def unit_settings(path: Path) -> dict[str, list[str]]:
    """The values of every key of a systemd unit, in order."""
    found: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith(("#", "[")):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def instructions(path: Path) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile, continued lines joined."""
    bare = re.sub(r"^\s*#.*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", bare).splitlines()
    split = (line.split(maxsplit=1) for line in lines if line.strip())
    return [(word, rest) for word, rest in split]


def blocks(path: Path, language: str) -> Iterator[str]:
    """The fenced blocks of a page in one language."""
    pattern = rf"^```{language}\n(.*?)^```$"
    text = path.read_text(encoding="utf-8")
    yield from re.findall(pattern, text, re.MULTILINE | re.DOTALL)


def lint(
    program: str, *arguments: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a linter, or skip the test where it is not installed."""
    beside = str(Path(sys.executable).parent)
    places = (beside, None, "/usr/sbin:/sbin")
    found = next(filter(None, (shutil.which(program, path=place) for place in places)), None)
    if found is None:
        pytest.skip(f"{program} is not installed")
    return run([found, *arguments], env=env)


def run(
    argv: Sequence[str], env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, a minute at most."""
    return subprocess.run(
        argv, capture_output=True, text=True, timeout=60, check=False, env=env and dict(env)
    )
