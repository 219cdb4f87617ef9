"""How much of the exact answer an index finds."""

from dataclasses import dataclass

import numpy as np

from recall.errors import ShapeError
from recall.index.arrays import Ids, Vectors
from recall.index.engine import exact_neighbours
from recall.index.protocol import Index

Z95 = 1.96  # of a normal distribution: nineteen in twenty lie this many deviations round the mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Recall over a sample of queries.

    Args:
        k: items a query.
        recall: mean share of the exact best `k` that was found.
        low: lower end of its 95 % interval over queries.
        queries: how many were asked.
    """

    k: int
    recall: float
    low: float
    queries: int


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """Queries whose exact answers are known.

    Args:
        queries: (n, dim).
        best: (n, k) item numbers of the highest inner products.
    """

    queries: Vectors
    best: Ids

    @classmethod
    def over(
        cls, vectors: Vectors, ids: Ids, queries: Vectors, *, k: int, threads: int = 1
    ) -> "Judge":
        """Search for the exact best `k` (or all there are) of every query.

        Raises:
            ShapeError: there is no query, or `k` is below 1.
        """
        if not len(queries) or k < 1:
            raise ShapeError(f"recall@{k} over {len(queries)} queries cannot be measured")
        _, places = exact_neighbours(queries, vectors, min(k, len(ids)), threads=threads)
        return cls(queries, ids[places])

    def measure(self, index: Index) -> Measured:
        """The recall of an index over the same items."""
        k = self.best.shape[1]
        found, _ = index.search(self.queries, k)
        pairs = zip(found, self.best, strict=True)
        shares = np.array([np.isin(row, best).sum() / k for row, best in pairs])
        error = shares.std(ddof=1) / len(shares) ** 0.5 if len(shares) > 1 else 0.0
        mean = float(shares.mean())
        return Measured(
            k=k, recall=mean, low=max(0.0, mean - Z95 * float(error)), queries=len(shares)
        )
