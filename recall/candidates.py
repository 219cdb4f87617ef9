"""What a channel answers: items and how well each fits."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt

from recall.errors import ShapeError


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Items in the order a channel prefers them, best first.

    Args:
        items: (n,) item numbers, each once.
        scores: (n,) in the channel's own unit; comparable inside one channel only.

    Raises:
        ShapeError: the two are not vectors of one length.
    """

    items: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32] = field(repr=False)

    def __post_init__(self) -> None:
        if self.items.ndim != 1 or self.items.shape != self.scores.shape:
            raise ShapeError(
                f"items {self.items.shape} and scores {self.scores.shape} must be "
                "vectors of one length"
            )

    def __len__(self) -> int:
        return len(self.items)

    def best(self, k: int) -> Self:
        """The first `k` of them; all when there are fewer."""
        return type(self)(self.items[:k], self.scores[:k])


NOTHING = Candidates(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))
"""The answer of a channel that knows nothing of the user."""
