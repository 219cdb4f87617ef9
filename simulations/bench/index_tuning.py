"""How much of the exact best an index finds, and the least effort at which it finds enough."""

from typing import Final

import numpy as np
import numpy.typing as npt

from simulations.bench.index_peers import Peer

Vectors = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

MAX_FACTOR: Final = 8  # times k: the most that HNSW keeps
FEWER: Final = 50  # times fewer users judge a slow one


class Tuning:
    """Judges peers by users whose exact best songs are known.

    Args:
        judging: (n, dim) users.
        best: (n, k) places of their exact best songs.
    """

    def __init__(self, judging: Vectors, best: Ids) -> None:
        self._judging, self._best = judging, best
        self._k = best.shape[1]

    def settled(self, peer: Peer, *, wanted: float = 0.0) -> float:
        """The recall of a peer as it is set; or, if it is tunable, set to the recall wanted."""
        return self._tuned(peer, wanted) if peer.tunable else self._recall(peer)

    def _tuned(self, peer: Peer, wanted: float) -> float:
        """Set the least effort that finds as much as is wanted, or the most there is."""
        low, high = self._k, MAX_FACTOR * self._k
        best, recall = high, self._recall_at(peer, high)
        while recall >= wanted and low < high:
            middle = (low + high) // 2
            found = self._recall_at(peer, middle)
            if found >= wanted:
                best, recall, high = middle, found, middle
            else:
                low = middle + 1
        peer.set_effort(best)
        return recall

    def _recall_at(self, peer: Peer, effort: int) -> float:
        peer.set_effort(effort)
        return self._recall(peer)

    def _recall(self, peer: Peer) -> float:
        """Share of the exact best that is found."""
        rows = range(len(self._judging) // (FEWER if peer.slow else 1))
        found = [peer.ask(self._judging[row : row + 1], self._k)[0] for row in rows]
        pairs = zip(found, self._best[: len(found)], strict=True)
        shares = [np.isin(row, true).mean() for row, true in pairs]
        return round(float(np.mean(shares)), 4)
