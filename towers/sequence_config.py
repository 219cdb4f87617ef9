"""Settings of the sequence encoders and of their trainer, apart from what runs them."""

from dataclasses import dataclass, field
from enum import Enum, auto
from math import inf

from towers.errors import ConfigError


class Order(Enum):
    """What the order of a history says."""

    TIME = auto()  # oldest first: the next item is what a model has to foresee
    NONE = auto()  # nothing: every epoch takes each history in another order


@dataclass(frozen=True, slots=True, kw_only=True)
class SASRecConfig:
    """Shape of the self-attentive encoder.

    Args:
        dim: width of item vectors and states.
        blocks: attention and feed-forward layers, one after the other.
        heads: of attention; divides `dim`.
        widening: width of the feed-forward layer, in multiples of `dim`.
        max_length: items of a history that are looked at, the latest ones.
        dropout: share of numbers set to 0 while training, in [0, 1).
        averaged_epochs: of training, whose steps' weights are averaged into the model that is
            validated and kept; 0 keeps the weights of the last step.
    """

    dim: int = 64
    blocks: int = 2
    heads: int = 2
    widening: int = 1
    max_length: int = 50
    dropout: float = 0.5
    averaged_epochs: float = 0.0

    def __post_init__(self) -> None:
        _check_common(self)
        if min(self.blocks, self.heads, self.widening) < 1 or self.dim % self.heads:
            raise ConfigError("blocks, heads and widening must be at least 1; heads divide dim")


@dataclass(frozen=True, slots=True, kw_only=True)
class MINDConfig:
    """Shape of the multi-interest encoder.

    Args:
        dim: width of item vectors and interests.
        interests: interests of a user at most.
        dynamic: whether short histories get fewer of them, max(1, min(interests, log2(length)));
            all users get `interests` otherwise.
        rounds: rounds of routing.
        sharpness: the routing logit of an item whose cosine with a capsule is 1.
        logit_std: standard deviation of the logits that routing starts from.
        own_share: how much of an interest its own items decide, in (0, 1]; the whole history
            decides the rest.
        max_length: items of a history that are looked at, the latest ones.
        targets_per_history: items of a history that are foreseen in an epoch, drawn anew.
        dropout: share of an item vector's numbers set to 0 while training, in [0, 1).
        averaged_epochs: of training, whose steps' weights are averaged into the model that is
            validated and kept; 0 keeps the weights of the last step.
    """

    dim: int = 32
    interests: int = 4
    dynamic: bool = True
    rounds: int = 5
    sharpness: float = 5.0
    logit_std: float = 1.0
    own_share: float = 0.5
    max_length: int = 50
    targets_per_history: int = 8
    dropout: float = 0.2
    averaged_epochs: float = 8.0

    def __post_init__(self) -> None:
        _check_common(self)
        if min(self.interests, self.rounds, self.targets_per_history) < 1:
            raise ConfigError("interests, rounds and targets_per_history must be at least 1")
        if not (0 < self.sharpness < inf and 0 < self.logit_std < inf and 0 < self.own_share <= 1):
            raise ConfigError("sharpness, logit_std must be above 0 and own_share in (0, 1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanPoolingConfig:
    """Shape of the mean-pooling encoder.

    Args:
        dim: width of item vectors and of the user's.
        widening: width of the hidden layer, in multiples of `dim`.
        max_length: items of a history that are looked at, the latest ones.
        dropout: share of numbers set to 0 while training, in [0, 1).
        averaged_epochs: of training, whose steps' weights are averaged into the model that is
            validated and kept; 0 keeps the weights of the last step.
    """

    dim: int = 64
    widening: int = 2
    max_length: int = 50
    dropout: float = 0.5
    averaged_epochs: float = 0.0

    def __post_init__(self) -> None:
        _check_common(self)
        if self.widening < 1:
            raise ConfigError("widening must be at least 1")


EncoderShape = SASRecConfig | MINDConfig | MeanPoolingConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceTrainingConfig:
    """How a sequence encoder learns.

    Args:
        order: what the order of histories says.
        epochs: passes over the histories at most.
        patience: epochs without a better validation NDCG before training ends.
        top_k: length of the list that validation NDCG is measured on.
        validation_users: users whose held-out items validation is measured on at most.
        learning_rate: of AdamW.
        weight_decay: decoupled decay of all weights.
        batch_tokens: items in a batch, padding included.
        negatives: items a batch is contrasted with on average; all if at least the catalogue.
        smoothing: exponent of an item's count in its chance of being a negative.
    """

    order: Order = Order.TIME
    epochs: int = 200
    patience: int = 8
    top_k: int = 10
    validation_users: int = 8192
    learning_rate: float = 2e-3
    weight_decay: float = 0.0
    batch_tokens: int = 2048
    negatives: int = 512
    smoothing: float = 0.5

    def __post_init__(self) -> None:
        counts = (self.epochs, self.patience, self.top_k, self.validation_users)
        if min(*counts, self.batch_tokens, self.negatives) < 1:
            raise ConfigError("epochs, patience, sizes and numbers must be at least 1")
        if self.learning_rate <= 0 or min(self.weight_decay, self.smoothing) < 0:
            raise ConfigError(
                "learning_rate must be above 0, weight_decay and smoothing at least 0"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceConfig:
    """A sequence model and how it is trained.

    Args:
        encoder: its shape, whose type says which model it is.
        training: how it learns.
    """

    encoder: EncoderShape = field(default_factory=SASRecConfig)
    training: SequenceTrainingConfig = field(default_factory=SequenceTrainingConfig)


def _check_common(shape: EncoderShape) -> None:
    if min(shape.dim, shape.max_length) < 1:
        raise ConfigError("dim and max_length must be at least 1")
    if not 0 <= shape.dropout < 1:
        raise ConfigError("dropout must be in [0, 1)")
    if not 0 <= shape.averaged_epochs < inf:
        raise ConfigError("averaged_epochs must be at least 0")
