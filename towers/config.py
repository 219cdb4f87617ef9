"""Settings of encoders and of the item party's model, apart from what runs them.

A process that only reads a run's settings, as most of a node's do, need not load torch for it.
"""

from dataclasses import dataclass, field
from enum import Enum, auto

from towers.errors import ConfigError


class EncoderKind(Enum):
    """How features become columns."""

    AUTO = auto()  # SVD of multi-hot columns; dense ones as they are if they fit, else AUTOENCODER
    SVD = auto()  # truncated SVD of everything
    AUTOENCODER = auto()  # SVD of multi-hot columns, a denoising autoencoder over dense ones
    STANDARDISE = auto()  # SVD of multi-hot columns, dense ones as they are; refused if too wide


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """What an encoder puts out.

    Args:
        width: columns in all, the constant one included; at least 2.
        kind: how the columns are made.
        idf: whether rare multi-hot columns count more, by log(n / users having it).
        spectrum: exponent of the singular values; 0 weighs all components alike, 1 is PCA.
        constant: value of the last column, in (0, 1); the others share what is left of norm 1.
    """

    width: int = 32
    kind: EncoderKind = EncoderKind.AUTO
    idf: bool = True
    spectrum: float = 0.5
    constant: float = 0.5

    def __post_init__(self) -> None:
        if self.width < 2:
            raise ConfigError("an encoder's width must be at least 2")
        if not 0 < self.constant < 1:
            raise ConfigError("an encoder's constant must be between 0 and 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class DSSMConfig:
    """Shape of the item party's model.

    Args:
        embedding_dim: width d of the summed embedding and of both towers' outputs.
        top_hidden_dims: hidden layers of the top tower, which starts with a rectifier: the
            partners' projections are its first layer.
        unit_norm: whether user and song vectors are scaled to norm 1.
        temperature: what the inner product is divided by; above 0.
        prior_strength: factor of the log-popularity that songs start from; 0 leaves it out.
    """

    embedding_dim: int = 64
    top_hidden_dims: tuple[int, ...] = ()
    unit_norm: bool = True
    temperature: float = 0.2
    prior_strength: float = 1.0

    def __post_init__(self) -> None:
        if self.embedding_dim < 1 or min(self.top_hidden_dims, default=1) < 1:
            raise ConfigError("a tower's widths must be at least 1")
        if self.temperature <= 0 or self.prior_strength < 0:
            raise ConfigError("temperature must be above 0 and prior_strength at least 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainerConfig:
    """How the item party learns.

    Args:
        model: shape of the towers.
        learning_rate: of AdamW at the first step.
        decay_steps: exchange steps over which the rate falls along a half cosine; at 0 it does
            not fall, but a run puts in the number of its training steps.
        final_rate: share of `learning_rate` that is left in the end.
        weight_decay: decoupled decay of the towers; the prior has none.
        negatives: songs a step is contrasted with on average; all if at least the catalogue.
        local_passes: own optimiser steps per exchange, with the summed embeddings kept.
        dropout: share of the summed embedding's numbers set to 0 while training, in [0, 1).
        absent_rate: share of users taught as if no partner knew them, so that such a user is
            served what is popular rather than what a zero sum happens to point at.
        id_dropout: share of songs that a step knows by their features alone, in [0, 1), so that a
            song nobody has played yet can be served from its features; no song without features.
        damp_labels: whether label weights are replaced by log(1 + weight).
        gradient_scale: factor of the returned gradient, so that few rows are longer than 1.
    """

    model: DSSMConfig = field(default_factory=DSSMConfig)
    learning_rate: float = 0.01
    decay_steps: int = 0
    final_rate: float = 0.05
    weight_decay: float = 0.05
    negatives: int = 4096
    local_passes: int = 4
    dropout: float = 0.3
    absent_rate: float = 0.05
    id_dropout: float = 0.1
    damp_labels: bool = True
    gradient_scale: float = 0.4

    def __post_init__(self) -> None:
        if self.learning_rate <= 0 or self.gradient_scale <= 0:
            raise ConfigError("learning_rate and gradient_scale must be above 0")
        if min(self.decay_steps + 1, self.local_passes, self.negatives) < 1:
            raise ConfigError("local_passes and negatives must be at least 1, decay_steps 0")
        rates = (self.dropout, self.absent_rate, self.id_dropout)
        if min(rates) < 0 or max(rates) >= 1:
            raise ConfigError("dropout, absent_rate and id_dropout must be in [0, 1)")
        if not 0 <= self.final_rate <= 1 or self.weight_decay < 0:
            raise ConfigError("final_rate must be in [0, 1] and weight_decay at least 0")
