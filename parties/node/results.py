"""What a run leaves a party with, on its disk: its settings, and what to serve and judge from."""

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from federation.errors import SettingError
from parties.archive import pack_arrays, unpack_arrays
from parties.checkpoints import write_whole
from parties.config import RunConfig
from parties.errors import JobError
from parties.item import ItemOutcome
from parties.settings import from_plain, to_plain
from towers.pooled import EpochReport

RESULT: Final = "result.npz"
SETTINGS: Final = "settings.json"


def save_settings(folder: Path, config: RunConfig) -> None:
    """Keep the run's settings as this party took them up.

    Raises:
        CheckpointError: the disk refused.
    """
    write_whole(folder / SETTINGS, json.dumps(to_plain(config), indent=2).encode())


def load_settings(folder: Path) -> RunConfig:
    """The settings that a job's folder holds.

    Raises:
        JobError: it holds none, or they are damaged.
    """
    path = folder / SETTINGS
    try:
        return from_plain(RunConfig(), json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, SettingError) as error:
        raise JobError(f"{path} cannot be read: {error}") from error


def save_result(folder: Path, outcome: ItemOutcome) -> None:
    """Keep an outcome in a job's folder, whole or not at all.

    Raises:
        CheckpointError: the disk refused.
    """
    curve = [(each.epoch, each.loss, each.recall) for each in outcome.history]
    arrays: dict[str, npt.NDArray[Any]] = {
        "queries": outcome.queries,
        "items": outcome.items,
        "history": np.array(curve, np.float64).reshape(-1, 3),
        **{f"shared:{name}": users for name, users in outcome.shared.items()},
        **{f"sent:{stage}": np.array([count]) for stage, count in outcome.sent.items()},
    }
    write_whole(folder / RESULT, pack_arrays(arrays))


def load_result(folder: Path) -> ItemOutcome:
    """The outcome that a job's folder holds.

    Raises:
        JobError: it holds none; the run is not over, or this is not the item party.
        CheckpointError: it is damaged.
    """
    path = folder / RESULT
    if not path.exists():
        raise JobError(f"{folder} holds no result: the run is not over, or it is a partner's")
    arrays = unpack_arrays(path.read_bytes())
    history = (EpochReport(int(epoch), loss, recall) for epoch, loss, recall in arrays["history"])
    return ItemOutcome(
        queries=arrays["queries"],
        items=arrays["items"],
        history=tuple(history),
        shared=_section(arrays, "shared:"),
        sent={stage: int(count[0]) for stage, count in _section(arrays, "sent:").items()},
    )


def _section(arrays: dict[str, npt.NDArray[Any]], prefix: str) -> dict[str, npt.NDArray[np.int64]]:
    return {
        key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)
    }
