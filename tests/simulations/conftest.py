from dataclasses import replace
from pathlib import Path

import pytest

from parties.config import RunConfig
from parties.settings import from_plain
from simulations.data import load
from simulations.listening import Listening, listening_of
from simulations.world import PRESETS, generate, write_world

# Small enough for seconds, large enough for a batch of 8 users a column.
WIDTH = 16
EPOCHS = 2


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a world of 240 users, made once. Copy it before changing it."""
    folder = tmp_path_factory.mktemp("worlds") / "tiny"
    config = replace(PRESETS["small"], users=240, songs=150, mean_sessions=6.0)
    write_world(generate(config), folder)
    return folder


@pytest.fixture(scope="session")
def listening(tiny: Path) -> Listening:
    return listening_of(load(str(tiny)).tables)


@pytest.fixture(scope="session")
def quick() -> RunConfig:
    """Settings under which the tiny world runs in a few seconds."""
    changes = {
        "encoder": {"width": WIDTH},
        "training": {"epochs": EPOCHS},
        "trainer": {"negatives": 2048},
        "alignment": {"workers": 1},
    }
    return from_plain(RunConfig(), changes)
