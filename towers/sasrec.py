"""Self-attention over a history: each state knows the items up to its place, and their order.

Source: Kang & McAuley, Self-attentive sequential recommendation (ICDM 2018). Here layers are
normalised before, not after (Xiong et al., ICML 2020), attention weights are not dropped, and
histories are padded on the right: a causal mask then is all that keeps padding out.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from towers.first_weights import INIT_STD, draw_first_weights
from towers.seeded_dropout import SeededDropout
from towers.sequence_config import SASRecConfig
from towers.sequence_encoder import TrainingBatch


class Block(nn.Module):
    """Causal self-attention, then a feed-forward layer, each added to what came in."""

    def __init__(self, config: SASRecConfig) -> None:
        super().__init__()
        dim, wide = config.dim, config.dim * config.widening
        self.heads = config.heads
        self.before_attention, self.before_layer = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.projections, self.merge = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.widen, self.narrow = nn.Linear(dim, wide), nn.Linear(wide, dim)

    def forward(self, states: Tensor, drop: SeededDropout) -> Tensor:
        """(B, L, dim) states to (B, L, dim) states."""
        states = states + drop(self._attend(self.before_attention(states)))
        hidden = torch.relu(self.widen(self.before_layer(states)))
        return states + drop(self.narrow(hidden))

    def _attend(self, states: Tensor) -> Tensor:
        batch, length, dim = states.shape
        split = self.projections(states).view(batch, length, 3, self.heads, dim // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        merged: Tensor = self.merge(attended.transpose(1, 2).reshape(batch, length, dim))
        return merged


class SASRec(nn.Module):
    """The encoder: item vectors and positions, blocks, and the last state as the user's vector."""

    def __init__(self, config: SASRecConfig, generator: torch.Generator) -> None:
        super().__init__()
        self._scale = config.dim**0.5
        self.positions = nn.Parameter(torch.empty(config.max_length, config.dim))
        self.blocks = nn.ModuleList([Block(config) for _ in range(config.blocks)])
        self.norm = nn.LayerNorm(config.dim)
        nn.init.normal_(self.positions, std=INIT_STD, generator=generator)
        draw_first_weights(self, generator)

    def foresee(self, batch: TrainingBatch, embedded: Tensor, drop: SeededDropout) -> Tensor:
        """See `SequenceEncoder.foresee`: the states at the targets' places."""
        states = self._states(embedded, drop)
        found: Tensor = self.norm(states[batch.rows, batch.places])
        return found[:, None]

    def interests(self, embedded: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """See `SequenceEncoder.interests`: one each, the state of the latest item."""
        states = self._states(embedded, SeededDropout(0.0, torch.Generator()))
        last = states[torch.arange(len(lengths)), lengths - 1]
        return self.norm(last)[:, None], torch.ones_like(lengths)

    def _states(self, embedded: Tensor, drop: SeededDropout) -> Tensor:
        states = drop(embedded * self._scale + self.positions[: embedded.shape[1]])
        for block in self.blocks:
            states = block(states, drop)
        return states
