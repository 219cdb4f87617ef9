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
        reasons: why each item was recalled, for people; one for each item, or none at all.

    Raises:
        ShapeError: items and scores are not vectors of one length, or reasons not as many.
    """

    items: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32] = field(repr=False)
    reasons: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if self.items.ndim != 1 or self.items.shape != self.scores.shape:
            raise ShapeError(
                f"items {self.items.shape} and scores {self.scores.shape} must be "
                "vectors of one length"
            )
        if len(self.reasons) not in {0, len(self.items)}:
            raise ShapeError(f"{len(self.reasons)} reasons for {len(self.items)} items")

    def __len__(self) -> int:
        return len(self.items)

    def best(self, k: int) -> Self:
        """The first `k` of them; all when there are fewer."""
        return type(self)(self.items[:k], self.scores[:k], self.reasons[:k])

    def without(self, excluded: npt.NDArray[np.int64]) -> Self:
        """All but some items, in the same order."""
        kept = ~np.isin(self.items, excluded)
        reasons = tuple(reason for reason, keep in zip(self.reasons, kept, strict=False) if keep)
        return type(self)(self.items[kept], self.scores[kept], reasons)


NOTHING = Candidates(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))
"""The answer of a channel that knows nothing of the user."""
