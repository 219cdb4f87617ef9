"""A small denoising autoencoder, for dense features wider than an encoder may put out."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from towers.errors import ConfigError
from towers.features import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderConfig:
    """Size and training of the autoencoder.

    Args:
        code_dim: columns of the code.
        hidden_dim: units of the layer before and after the code.
        corruption: share of the inputs set to 0 while training, in [0, 1).
        epochs: passes over the rows.
        batch_rows: rows a step.
        learning_rate: of Adam.
    """

    code_dim: int
    hidden_dim: int = 128
    corruption: float = 0.2
    epochs: int = 30
    batch_rows: int = 256
    learning_rate: float = 2e-3

    def __post_init__(self) -> None:
        if min(self.code_dim, self.hidden_dim, self.epochs, self.batch_rows) < 1:
            raise ConfigError("an autoencoder's sizes and epochs must be at least 1")
        if not 0 <= self.corruption < 1 or self.learning_rate <= 0:
            raise ConfigError("corruption must be in [0, 1) and learning_rate above 0")


class Autoencoder(nn.Module):
    """Restores rows from corrupted copies through a narrow code.

    Source: Vincent et al., Extracting and composing robust features (ICML 2008).
    """

    def __init__(self, in_dim: int, config: AutoencoderConfig, generator: torch.Generator) -> None:
        super().__init__()
        wide = config.hidden_dim
        self.encoder = nn.Sequential(
            _linear(in_dim, wide, generator), nn.Tanh(), _linear(wide, config.code_dim, generator)
        )
        self.decoder = nn.Sequential(
            _linear(config.code_dim, wide, generator), nn.Tanh(), _linear(wide, in_dim, generator)
        )

    def forward(self, rows: Tensor) -> Tensor:
        """Restore (B, in_dim) rows."""
        restored: Tensor = self.decoder(self.encoder(rows))
        return restored


def encode_dense(dense: Floats, config: AutoencoderConfig, seed: int) -> Floats:
    """Fit an autoencoder to (n, m) standardised rows and return their centred (n, code) codes."""
    # A generator of its own: parties that share a process encode at the same time.
    generator = torch.Generator().manual_seed(seed)
    model = Autoencoder(dense.shape[1], config, generator)
    rows = torch.from_numpy(dense)
    _train(model, rows, config, generator)
    with torch.no_grad():
        codes = model.encoder(rows).numpy()
    return np.asarray(codes - codes.mean(axis=0), dtype=np.float32)


def _linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    """A layer with the weights that `nn.Linear` starts with, drawn from `generator`."""
    layer = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
    bound = inputs**-0.5
    for parameter in (layer.weight, layer.bias):
        nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return layer


def _train(
    model: Autoencoder, rows: Tensor, config: AutoencoderConfig, generator: torch.Generator
) -> None:
    optimiser = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    for _ in range(config.epochs):
        order = torch.randperm(len(rows), generator=generator)
        for start in range(0, len(rows), config.batch_rows):
            clean = rows[order[start : start + config.batch_rows]]
            kept = torch.rand(clean.shape, generator=generator) >= config.corruption
            loss = nn.functional.mse_loss(model(clean * kept), clean)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
