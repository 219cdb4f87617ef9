"""Judging ranked lists for cold users, every system on the same people."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from recall.index import FlatIndex
from recall.metrics import CUTOFFS, NO_ITEM, list_metrics, user_metrics
from simulations.lift import SystemResult
from towers.features import Floats

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """The cold users of a split and what they really listened to.

    Args:
        users: (cold,) their numbers.
        truth: (cold, m) weights of their hidden listening.
        popularity: (m,) warm users of each song.
        top_k: length of the lists.
    """

    users: Ids = field(repr=False)
    truth: sp.csr_array = field(repr=False)
    popularity: npt.NDArray[np.float64] = field(repr=False)
    top_k: int

    def vectors(self, name: str, queries: Floats, items: Floats) -> SystemResult:
        """Judge a two-tower system by searching an exact index.

        Args:
            name: of the system.
            queries: (cold, d + 1) query vectors.
            items: (m, d + 1) index vectors.
        """
        ranked, _ = FlatIndex(items).search(queries, self.top_k)
        return self.lists(name, ranked)

    def popular(self, name: str) -> SystemResult:
        """Judge the list of the most played songs, the same for everyone."""
        order = np.argsort(-self.popularity, kind="stable")[: self.top_k].astype(np.int64)
        return self.lists(name, np.tile(order, (len(self.users), 1)))

    def lists(self, name: str, ranked: Ids) -> SystemResult:
        """Judge (cold, k) ranked song numbers; a small catalogue gives short lists."""
        missing = max(CUTOFFS) - ranked.shape[1]
        ranked = np.pad(ranked, ((0, 0), (0, max(missing, 0))), constant_values=NO_ITEM)
        return SystemResult(
            name=name,
            per_user=user_metrics(ranked, self.truth),
            lists=list_metrics(ranked, self.popularity),
        )
