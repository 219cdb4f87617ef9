"""A federation's keys, made once and copied for each test that spoils some."""

import shutil
from pathlib import Path

import pytest

from parties.keys import make_federation_keys


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Never to be changed; take `keys`."""
    folder = tmp_path_factory.mktemp("federation")
    make_federation_keys(folder, ["social", "forum"], hosts=["fed.example.org", "10.0.0.1"])
    return folder


@pytest.fixture
def keys(made: Path, tmp_path: Path) -> Path:
    """The folder of everyone's keys: authority, coordinator, item, social, forum, roster.toml."""
    return shutil.copytree(made, tmp_path / "federation")
