"""What an epoch of SASRec costs beside RecTools' SASRec, on a made log of a million plays.

Both learn on one thread, from the same histories, with the same width, blocks, heads and length.
What RecTools does once and not in every epoch is taken out by fitting it with one and with two
more epochs.
"""

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
import numpy.typing as npt

from simulations.bench.peer_process import Interpreter
from simulations.errors import PeerMissingError
from towers.sequence_config import SASRecConfig, SequenceConfig, SequenceTrainingConfig
from towers.sequence_training import train_sequence

Ids = npt.NDArray[np.int64]
Say = Callable[[str], None]

PEER: Final = "RecTools"
PEER_SCRIPT: Final = Path(__file__).with_name("sequence_peer.py")
WANTED: Final = "0.19"  # RecTools' version, without its last number
AT_LEAST: Final = 3.0  # times as many CPU seconds as this program
PROBE_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CostLoad:
    """The made log, as large as MovieLens-1M unless given, and what learns from it.

    Args:
        users: histories.
        items: catalogue.
        mean_length: items of a history on average.
        epochs: of this program, a median is taken of them.
        shape: of both models.
    """

    users: int = 6040
    items: int = 3400
    mean_length: float = 165.0
    epochs: int = 3
    shape: SASRecConfig = field(default_factory=lambda: SASRecConfig(max_length=100))


def made_log(load: CostLoad, *, seed: int) -> list[Ids]:
    """Histories of log-normal length; items are drawn by Zipf's law, none twice a user."""
    rng = np.random.default_rng(seed)
    drawn = rng.lognormal(0.0, 0.9, load.users)
    lengths = np.maximum(3, drawn / drawn.mean() * load.mean_length).astype(np.int64)
    lengths = np.minimum(lengths, load.items)
    weights = 1 / (np.arange(load.items) + 10.0)
    return [rng.choice(load.items, n, p=weights / weights.sum()).astype(np.int64) for n in lengths]


def measure_cost(peer_python: Path, *, load: CostLoad, seed: int, say: Say) -> dict[str, object]:
    """CPU seconds an epoch of both, and how many times as many RecTools takes.

    Raises:
        PeerMissingError: `peer_python` is no interpreter that has RecTools 0.19, or it failed.
    """
    found = require_peer(peer_python)
    histories = made_log(load, seed=seed)
    say("this program's SASRec on a made log")
    own = _own_cpu_seconds(histories, load, seed)
    say("RecTools' SASRec on the same log")
    peer = _peer_cpu_seconds(peer_python, histories, load, seed)
    return {
        "peer": f"RecTools {found}",
        "users": load.users,
        "items": load.items,
        "interactions": sum(map(len, histories)),
        "max_length": load.shape.max_length,
        "dim": load.shape.dim,
        "cpu_seconds_per_epoch": own,
        "peer_cpu_seconds_per_epoch": peer,
        "peer_over_own": peer / own,
        "at_least": AT_LEAST,
        "reached": peer / own >= AT_LEAST,
    }


def require_peer(peer_python: Path) -> str:
    """The version of RecTools that an interpreter has.

    Raises:
        PeerMissingError: it cannot be run, has none, or not 0.19.
    """
    question = (
        "import rectools.models; from importlib.metadata import version; "
        "print(version('rectools'))"
    )
    peer = Interpreter(python=peer_python, name=PEER, seconds=PROBE_SECONDS)
    found = peer.run("-c", question).strip()
    if not found.startswith(f"{WANTED}."):
        raise PeerMissingError(f"{peer_python} has RecTools {found}; {WANTED} is compared with")
    return found


def _own_cpu_seconds(histories: Sequence[Ids], load: CostLoad, seed: int) -> float:
    config = SequenceConfig(
        encoder=load.shape,
        training=SequenceTrainingConfig(epochs=load.epochs, validation_users=1),
    )
    run = train_sequence(config, histories, load.items, seed=seed)
    return median(report.cpu_seconds for report in run.epochs)


def _peer_cpu_seconds(
    peer_python: Path, histories: Sequence[Ids], load: CostLoad, seed: int
) -> float:
    job = {
        "histories": [history.tolist() for history in histories],
        "dim": load.shape.dim,
        "blocks": load.shape.blocks,
        "heads": load.shape.heads,
        "max_length": load.shape.max_length,
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "histories.json"
        path.write_text(json.dumps(job), encoding="utf-8")
        short, long = (_fit(peer_python, path, epochs, seed) for epochs in (1, 2))
    return long - short


def _fit(peer_python: Path, path: Path, epochs: int, seed: int) -> float:
    arguments = [str(PEER_SCRIPT), str(path), str(epochs), str(seed)]
    return Interpreter(python=peer_python, name=PEER).figure("cpu_seconds", *arguments)
