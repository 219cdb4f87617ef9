"""The bundle that nodes allow by its hash."""

import ast
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from federation.exchange.flower_bundle import BUNDLE_FOLDER, build_bundle, bundle_hash

ROOT = Path(__file__).parents[3]
DOORS = sorted((ROOT / "federation" / "exchange").glob("flower*.py"))
QUIET = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
# Partners' allow-lists name it. Whoever changes the bundle changes it for all of them.
RELEASED = "d9d2c71c547856f7954df538c67db7cef11d104743c83611d16fa5ba1579e8ad"


@pytest.fixture
def bundle() -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(build_bundle()))


def test_the_hash_is_the_one_that_partners_allow() -> None:
    assert bundle_hash() == RELEASED


def test_the_hash_is_of_the_bytes_that_flower_builds(tmp_path: Path) -> None:
    app = shutil.copytree(BUNDLE_FOLDER, tmp_path / "app")
    for stray in ("stray.py", "stray.toml", "__pycache__/stray.pyc", "notes/apps.py"):
        (app / stray).parent.mkdir(exist_ok=True)
        (app / stray).write_text("STRAY = 1\n")
    command: list[str | Path] = [Path(sys.executable).with_name("flwr"), "build", "--app", app]
    environment = {**os.environ, **QUIET, "FLWR_HOME": str(tmp_path)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    (built,) = tmp_path.glob("*.fab")
    assert hashlib.sha256(built.read_bytes()).hexdigest() == bundle_hash()
    assert built.read_bytes() == build_bundle()


def test_the_bundle_holds_no_code(bundle: zipfile.ZipFile) -> None:
    assert bundle.namelist() == ["pyproject.toml", ".info/CONTENT"]


def test_its_bytes_depend_on_no_compressor_and_no_clock(bundle: zipfile.ZipFile) -> None:
    for entry in bundle.infolist():
        assert entry.compress_type == zipfile.ZIP_STORED
        assert entry.date_time == (2024, 10, 1, 0, 0, 0)


def test_the_bundle_is_of_this_version_and_installs_nothing(bundle: zipfile.ZipFile) -> None:
    project = tomllib.loads(bundle.read("pyproject.toml").decode())["project"]
    released = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == released["version"]
    assert project["dependencies"] == []


def first_import(tree: ast.Module) -> int:
    """The line of a module's first import of Flower; 0 if it has none."""
    lines = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "flwr"
    ]
    return min(lines, default=0)


@pytest.mark.parametrize("door", DOORS, ids=lambda path: path.stem)
def test_flower_is_told_to_phone_nobody_before_it_is_imported(door: Path) -> None:
    text = door.read_text(encoding="utf-8")
    before = text.splitlines()[: first_import(ast.parse(text))]
    if before:
        for name, value in QUIET.items():
            assert f'os.environ.setdefault("{name}", "{value}")' in before


def test_a_node_that_is_given_no_settings_phones_nobody() -> None:
    code = (
        "import parties.apps, os\n"
        "from flwr.supercore import telemetry, update_check\n"
        "print(telemetry.FLWR_TELEMETRY_ENABLED, os.environ['FLWR_DISABLE_UPDATE_CHECK'])\n"
    )
    environment = {key: value for key, value in os.environ.items() if key not in QUIET}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == ["0", "1"], done.stderr
