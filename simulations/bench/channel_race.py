"""Peers' recommenders, each in its own interpreter, judged on the same split."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from recall import Candidates
from simulations.bench import channel_peers
from simulations.bench.peer_process import Interpreter
from simulations.bench.warm import Warm
from simulations.errors import PeerMissingError

Settings = Mapping[str, float]

CHOSEN_BY: Final = "recall@20"
# Settings to choose from, on the same validation songs for all.
GRIDS: Final[Mapping[str, Sequence[Settings]]] = MappingProxyType(
    {
        "implicit": [
            {"factors": 64, "iterations": 15, "regularization": ridge, "alpha": alpha}
            for ridge in (1.0, 10.0, 30.0)
            for alpha in (5.0, 10.0, 20.0)
        ],
        "lightfm-next": [
            {"factors": 64, "learning_rate": rate, "penalty": penalty, "epochs": epochs}
            for rate, epochs in ((0.05, 15), (0.05, 30), (0.02, 60))
            for penalty in (0.0, 1e-5, 1e-4)
        ],
    }
)


@dataclass(frozen=True, slots=True)
class Peers:
    """An interpreter that has the peers installed.

    Args:
        python: its path.
        grids: settings to choose from, by peer.
    """

    python: Path
    grids: Mapping[str, Sequence[Settings]] = field(default_factory=lambda: GRIDS)

    def measure(self, peer: str, validation: Warm, test: Warm) -> Mapping[str, Any]:
        """Choose settings on the validation split and judge them on the other.

        Raises:
            PeerMissingError: the interpreter cannot run the peer, or that gave no lists in time.
        """
        chosen = max(
            self.grids[peer],
            key=lambda settings: validation.judge(self._lists(peer, settings, validation))[
                CHOSEN_BY
            ],
        )
        return {
            "settings": json.dumps(dict(chosen)),
            **test.judge(self._lists(peer, chosen, test)),
        }

    def _lists(self, peer: str, settings: Settings, warm: Warm) -> list[Candidates]:
        with TemporaryDirectory(prefix="fedrecall-peer-") as folder:
            source, target = Path(folder) / "plays.npz", Path(folder) / "lists.npy"
            sp.save_npz(source, sp.csr_matrix(warm.known))
            arguments = [peer, json.dumps(dict(settings)), str(source), str(target)]
            Interpreter(python=self.python, name=peer).run(channel_peers.__file__, *arguments)
            rows = self._read(target, peer, warm.known.shape)
        scores = np.arange(rows.shape[1], 0, -1, dtype=np.float32)
        return [Candidates(row, scores) for row in rows]

    def _read(self, lists: Path, peer: str, shape: tuple[int, int]) -> npt.NDArray[np.int64]:
        """A list of items for each of (users, items)."""
        try:
            rows = np.asarray(np.load(lists), dtype=np.int64)
        except (OSError, ValueError, EOFError) as error:
            raise PeerMissingError(f"{peer} in {self.python} left no lists: {error}") from error
        users, items = shape
        if rows.ndim != 2 or len(rows) != users or not ((rows >= 0) & (rows < items)).all():
            raise PeerMissingError(
                f"{peer} in {self.python} left no lists of {items} items for {users} users, but "
                f"numbers of shape {rows.shape}"
            )
        return rows
