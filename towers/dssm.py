"""The item party's half of the dual tower: from summed embeddings to users, from ids to songs.

The score of a song is ``u . v / temperature + b``: the inner product of ``[u / temperature, 1]``
with ``[v, b]``, so one nearest-neighbour index over ``[v, b]`` serves it.

Source: Huang et al., Learning deep structured semantic models (CIKM 2013).
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from towers.config import DSSMConfig
from towers.features import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class TowerConfig:
    """Widths of one tower, in units per layer, and whether its output has norm 1."""

    in_dim: int
    hidden_dims: tuple[int, ...] = ()
    out_dim: int = 64
    unit_norm: bool = True


class Tower(nn.Module):
    """One side of a DSSM: features in, one vector a row out."""

    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        widths = (config.in_dim, *config.hidden_dims)
        hidden = [m for a, b in pairwise(widths) for m in (nn.Linear(a, b), nn.ReLU())]
        self.layers = nn.Sequential(*hidden, nn.Linear(widths[-1], config.out_dim))
        self._unit_norm = config.unit_norm

    def forward(self, features: Tensor) -> Tensor:
        """Embed (batch, in_dim) features as (batch, out_dim) rows."""
        embedded: Tensor = self.layers(features)
        return F.normalize(embedded, dim=-1) if self._unit_norm else embedded


@dataclass(frozen=True, slots=True, kw_only=True)
class SideCodes:
    """What the item party knows itself, encoded; a width of 0 means nothing.

    Args:
        users: (n, a) codes of its own user features, one row a slot.
        songs: (m, b) codes of its songs' features.
    """

    users: Floats
    songs: Floats


class DSSM(nn.Module):
    """Top tower over summed embeddings, item tower over song ids and side features."""

    def __init__(self, config: DSSMConfig, *, counts: Tensor, side_dims: tuple[int, int]) -> None:
        """Start from the songs' training counts.

        Args:
            config: the model's shape.
            counts: (m,) how often each song was played by training users.
            side_dims: widths of the item party's user codes and of its song codes.
        """
        super().__init__()
        own_dim, song_dim = side_dims
        dim = config.embedding_dim
        self._config = config
        self.top = Tower(
            TowerConfig(
                in_dim=dim,
                hidden_dims=config.top_hidden_dims,
                out_dim=dim,
                unit_norm=config.unit_norm,
            )
        )
        self.own = nn.Parameter(torch.randn(own_dim, dim) * 0.1)
        self.song_ids = nn.Parameter(torch.randn(len(counts), dim) * dim**-0.5)
        self.song_side = nn.Parameter(torch.randn(song_dim, dim) * 0.1)
        self.prior = nn.Parameter(config.prior_strength * torch.log(counts + 0.5))

    def users(self, summed: Tensor, own_codes: Tensor) -> Tensor:
        """Turn (B, d) summed embeddings and (B, a) own codes into (B, d) user vectors."""
        joined = summed + own_codes @ self.own if own_codes.shape[1] else summed
        vectors: Tensor = self.top(F.relu(joined)) / self._config.temperature
        return vectors

    def songs(self, numbers: Tensor, codes: Tensor, known: Tensor | None = None) -> Tensor:
        """Turn songs into (s, d) vectors.

        Args:
            numbers: (s,) song numbers.
            codes: (s, b) their codes.
            known: (s,) 1 where a song's own vector counts, 0 where its codes alone speak for it;
                all count unless given.
        """
        # Not indexing: the gradient of that is added up by threads in any order.
        vectors = F.embedding(numbers, self.song_ids)
        if known is not None:
            vectors = vectors * known[:, None]
        if codes.shape[1]:
            vectors = vectors + codes @ self.song_side
        return F.normalize(vectors, dim=-1) if self._config.unit_norm else vectors
