"""What SASRec, MIND and mean pooling have in common: right-padded histories in, vectors out."""

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from towers.seeded_dropout import SeededDropout


@dataclass(frozen=True, slots=True)
class TrainingBatch:
    """Histories of about one length, and which of their next items are to be foreseen.

    Args:
        items: (B, L) item numbers, oldest first, padded on the right with any number.
        lengths: (B,) how many of them are real, at least 1.
        rows: (T,) the history of each target, ascending.
        places: (T,) the last item that is known when the target comes: its column in `items`.
        targets: (T,) item numbers.
    """

    items: Tensor = field(repr=False)
    lengths: Tensor = field(repr=False)
    rows: Tensor = field(repr=False)
    places: Tensor = field(repr=False)
    targets: Tensor = field(repr=False)


class SequenceEncoder(Protocol):
    """Turns embedded histories into query vectors.

    The score of an item is its best inner product with any of a user's.
    """

    def foresee(self, batch: TrainingBatch, embedded: Tensor, drop: SeededDropout) -> Tensor:
        """The query vectors of a user when each target comes, from the items before it alone.

        Args:
            batch: histories and targets.
            embedded: (B, L, dim) vectors of `batch.items`.
            drop: dropout, and its generator.

        Returns:
            (T, K, dim); where a history has fewer interests than others, its first comes again.
        """
        ...

    def interests(self, embedded: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Query vectors of whole histories, nothing left out and nothing random.

        Args:
            embedded: (B, L, dim), padded on the right.
            lengths: (B,), at least 1.

        Returns:
            (B, K, dim) vectors and (B,) how many of the K are a history's own, the first ones.
        """
        ...


def padding(lengths: Tensor, width: int) -> Tensor:
    """(B, width): where a history has no item any more."""
    return torch.arange(width) >= lengths[:, None]
