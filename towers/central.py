"""The ceiling: every partner's raw features in one place, learnt end to end without protection."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from towers.config import EncoderConfig
from towers.encoders import fit_encoder, standardise, weigh
from towers.errors import ConfigError
from towers.features import Features, Floats
from towers.pooled import LocalPartner, Slots, UserSide
from towers.projection import ProjectionConfig, rate_share


@dataclass(frozen=True, slots=True, kw_only=True)
class CentralConfig:
    """How raw features become embeddings.

    Args:
        encoder: the codes that join the raw columns.
        projection: how those codes are projected.
        learning_rate: of AdamW at the first step.
        decay_steps: steps over which the rate falls along a half cosine; at 0 it does not.
        final_rate: share of `learning_rate` that is left in the end.
        weight_decay: decoupled decay of all weights.
        dropout: share of a user's features left out while training, in [0, 1).
        gain: factor of the rows, which have norm 1 before it.
    """

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    projection: ProjectionConfig = field(default_factory=ProjectionConfig)
    learning_rate: float = 0.01
    decay_steps: int = 0
    final_rate: float = 0.05
    weight_decay: float = 0.01
    dropout: float = 0.3
    gain: float = 1.5

    def __post_init__(self) -> None:
        if self.learning_rate <= 0 or min(self.decay_steps, self.weight_decay) < 0:
            raise ConfigError(
                "learning_rate must be above 0, decay_steps and weight_decay at least 0"
            )
        if not 0 <= self.dropout < 1:
            raise ConfigError("dropout must be in [0, 1)")


class RawPartner:
    """One partner's raw features, embedded by a bag of trainable columns.

    It stands where a federated partner stands, but sees every user's gradient.
    """

    def __init__(self, features: Features, dim: int, config: CentralConfig, *, seed: int) -> None:
        self._config = config
        dense = sp.csr_array(standardise(features.dense))
        rows = sp.csr_array(sp.hstack([weigh(features.multi_hot, idf=True), dense]))
        self._rows = sp.csr_array(rows * config.gain, dtype=np.float32)
        generator = torch.Generator().manual_seed(seed)
        self._generator = generator
        weight = torch.randn((rows.shape[1] + 1, dim), generator=generator) * 0.05
        self._bag = nn.EmbeddingBag.from_pretrained(weight, freeze=False, mode="sum")
        self._optimiser = torch.optim.AdamW(
            self._bag.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self._steps = 0
        self._out: Tensor | None = None
        self._best = weight.clone()

    def forward(self, slots: Slots) -> Floats:
        """Embed a batch, with some features left out."""
        self._out = self._embed(slots, self._config.dropout)
        return np.asarray(self._out.detach().numpy(), np.float32)

    def backward(self, slots: Slots, gradient: Floats) -> None:
        """Step along the gradient of the batch given to the last `forward`."""
        if self._out is None or len(slots) != len(self._out):
            raise ConfigError("backward needs the batch that forward has just seen")
        config = self._config
        share = rate_share(self._steps, config.decay_steps, config.final_rate)
        self._optimiser.param_groups[0]["lr"] = config.learning_rate * share
        self._steps += 1
        self._optimiser.zero_grad()
        torch.autograd.backward(self._out, torch.from_numpy(gradient))
        self._optimiser.step()
        self._out = None

    def embed(self, slots: Slots) -> Floats:
        """Embed for serving: nothing is left out."""
        with torch.no_grad():
            return np.asarray(self._embed(slots, 0.0).numpy(), np.float32)

    def keep(self) -> None:
        """Remember the present weights as the best so far."""
        self._best = self._bag.weight.detach().clone()

    def restore(self) -> None:
        """Go back to the remembered weights."""
        with torch.no_grad():
            self._bag.weight.copy_(self._best)

    def _embed(self, slots: Slots, dropout: float) -> Tensor:
        rows = self._rows[slots]
        values = torch.from_numpy(rows.data)
        if dropout:
            kept = torch.rand(len(values), generator=self._generator) >= dropout
            values = values * kept / (1 - dropout)
        embedded: Tensor = self._bag(
            torch.from_numpy(rows.indices.astype(np.int64)),
            torch.from_numpy(rows.indptr[:-1].astype(np.int64)),
            per_sample_weights=values,
        )
        return embedded + self._bag.weight[-1]


def central_sides(
    features: Sequence[Features], dim: int, config: CentralConfig, *, seed: int
) -> list[UserSide]:
    """Every partner's raw columns and codes, as sides for `train_pooled`.

    The codes carry what a few users' labels cannot teach the raw columns; the raw columns carry
    what the codes have lost.

    Args:
        features: one table a partner, rows by slot.
        dim: width d of the embeddings.
        config: how they are embedded.
        seed: of the first weights and of dropout.
    """
    sides: list[UserSide] = []
    for number, table in enumerate(features):
        phi = fit_encoder(table, config.encoder, seed=seed)
        sides.append(RawPartner(table, dim, config, seed=seed + 2 * number))
        sides.append(LocalPartner(phi, dim, config.projection, seed=seed + 2 * number + 1))
    return sides
