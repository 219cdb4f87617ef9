"""Settings of Song2Vec, apart from what runs it: reading them loads no torch."""

from dataclasses import dataclass, field

from towers.errors import ConfigError
from towers.sessions import Contexts


@dataclass(frozen=True, slots=True, kw_only=True)
class Song2VecConfig:
    """How song vectors are learnt.

    Args:
        dim: width of a vector.
        epochs: passes over the sessions.
        contexts: which songs are taught with which.
        learning_rate: of Adagrad.
        negatives: songs that each pair is contrasted with.
        negative_power: negatives are drawn by plays to this power, in [0, 1].
        popularity: exponent of the plays that a ranking is multiplied by, in effect; 0 ranks
            the songs most particular to a history, `negative_power` the likeliest ones.
        batch_pairs: pairs in a step.
        shared_negatives: songs drawn for a step, which all its pairs share.
    """

    dim: int = 64
    epochs: int = 12
    contexts: Contexts = field(default_factory=Contexts)
    learning_rate: float = 0.2
    negatives: float = 2.0
    negative_power: float = 0.5
    popularity: float = 0.25
    batch_pairs: int = 4096
    shared_negatives: int = 256

    def __post_init__(self) -> None:
        if min(self.dim, self.epochs, self.batch_pairs, self.shared_negatives) < 1:
            raise ConfigError("dim, epochs, batch_pairs and shared_negatives must be at least 1")
        if not 0 <= self.negative_power <= 1 or self.popularity < 0:
            raise ConfigError("negative_power must be in [0, 1] and popularity at least 0")
        if self.learning_rate <= 0 or self.negatives <= 0:
            raise ConfigError("learning_rate and negatives must be above 0")
