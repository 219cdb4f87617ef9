"""The mean of a history's item vectors, through one hidden layer: the baseline without order.

Source: Covington, Adams & Sargin, Deep neural networks for YouTube recommendations (RecSys 2016),
candidate generation, without the watcher's other features.
"""

import torch
from torch import Tensor, nn

from towers.first_weights import draw_first_weights
from towers.seeded_dropout import SeededDropout
from towers.sequence_config import MeanPoolingConfig
from towers.sequence_encoder import TrainingBatch


class MeanPooling(nn.Module):
    """The encoder; the means of all beginnings of a history come from one running sum."""

    def __init__(self, config: MeanPoolingConfig, generator: torch.Generator) -> None:
        super().__init__()
        dim, wide = config.dim, config.dim * config.widening
        self.norm = nn.LayerNorm(dim)
        self.widen, self.narrow = nn.Linear(dim, wide), nn.Linear(wide, dim)
        self.out = nn.LayerNorm(dim)
        draw_first_weights(self, generator)

    def foresee(self, batch: TrainingBatch, embedded: Tensor, drop: SeededDropout) -> Tensor:
        """See `SequenceEncoder.foresee`: the mean of the items before each target."""
        sums = embedded.cumsum(dim=1)[batch.rows, batch.places]
        return self._layers(sums / (batch.places + 1)[:, None], drop)[:, None]

    def interests(self, embedded: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """See `SequenceEncoder.interests`: one each."""
        sums = embedded.cumsum(dim=1)[torch.arange(len(lengths)), lengths - 1]
        users = self._layers(sums / lengths[:, None], SeededDropout(0.0, torch.Generator()))
        return users[:, None], torch.ones_like(lengths)

    def _layers(self, means: Tensor, drop: SeededDropout) -> Tensor:
        users = drop(self.norm(means))
        users = users + drop(self.narrow(torch.relu(self.widen(users))))
        found: Tensor = self.out(users)
        return found
