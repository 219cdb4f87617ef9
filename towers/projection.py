"""A partner's trainable half: a linear projection of its static encoder output."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from towers.errors import ConfigError, StateError
from towers.features import Floats

State = dict[str, npt.NDArray[np.float32]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectionConfig:
    """How a partner's projection starts and learns.

    Args:
        learning_rate: of AdamW at the first step.
        decay_steps: steps over which the rate falls along a half cosine to `final_rate`; at 0
            it does not fall, but a run puts in the number of its training steps.
        final_rate: share of `learning_rate` that is left in the end.
        weight_decay: decoupled decay a step, times the learning rate.
        betas: decay of AdamW's running means of the gradient and of its square.
        init_std: standard deviation of the first weights.
    """

    learning_rate: float = 0.05
    decay_steps: int = 0
    final_rate: float = 0.05
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.99)
    init_std: float = 0.1

    def __post_init__(self) -> None:
        if self.learning_rate <= 0 or self.decay_steps < 0:
            raise ConfigError("learning_rate must be above 0 and decay_steps at least 0")
        if not (0 <= self.final_rate <= 1 and all(0 <= b < 1 for b in self.betas)):
            raise ConfigError("final_rate must be in [0, 1] and betas in [0, 1)")
        if self.weight_decay < 0 or self.init_std < 0:
            raise ConfigError("weight_decay and init_std must be at least 0")


def rate_share(step: int, decay_steps: int, final: float) -> float:
    """The share of a learning rate left at a step: a half cosine from 1 to `final`.

    Source: Loshchilov & Hutter, SGDR (ICLR 2017), one cycle.
    """
    done = min(1.0, step / decay_steps) if decay_steps else 0.0
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * done))


class Projection:
    """h = phi W, with W (r, d) trained by AdamW on batch sums of the gradient.

    Source: Loshchilov & Hutter, Decoupled weight decay regularization (ICLR 2019).
    """

    def __init__(self, shape: tuple[int, int], config: ProjectionConfig, *, seed: int) -> None:
        self._config = config
        rng = np.random.default_rng(seed)
        self._weight = rng.normal(0, config.init_std, shape).astype(np.float32)
        self._mean = np.zeros(shape, np.float32)
        self._square = np.zeros(shape, np.float32)
        self._steps = 0

    @property
    def weight(self) -> Floats:
        """(r, d), a copy."""
        return self._weight.copy()

    def forward(self, phi: Floats) -> Floats:
        """Project (B, r) encoder outputs to (B, d) embeddings."""
        return np.asarray(phi @ self._weight, dtype=np.float32)

    def apply(self, gradient: Floats) -> None:
        """Take one AdamW step along the (r, d) gradient of the batch's loss."""
        if gradient.shape != self._weight.shape:
            raise StateError(f"gradient {gradient.shape} does not fit W {self._weight.shape}")
        first, second = self._config.betas
        self._steps += 1
        self._mean += (1 - first) * (gradient - self._mean)
        self._square += (1 - second) * (gradient**2 - self._square)
        mean = self._mean / (1 - first**self._steps)
        spread = np.sqrt(self._square / (1 - second**self._steps)) + 1e-12
        rate = self._rate()
        self._weight *= np.float32(1 - rate * self._config.weight_decay)
        self._weight -= (rate * mean / spread).astype(np.float32)

    def _rate(self) -> float:
        config = self._config
        return config.learning_rate * rate_share(
            self._steps - 1, config.decay_steps, config.final_rate
        )

    def state(self) -> State:
        """Everything a checkpoint needs, as named arrays."""
        return {
            "weight": self._weight.copy(),
            "mean": self._mean.copy(),
            "square": self._square.copy(),
            "steps": np.array([self._steps], np.float32),
        }

    def load(self, state: Mapping[str, Floats]) -> None:
        """Take over a checkpoint.

        Raises:
            StateError: a name is missing, or a shape does not fit.
        """
        shapes = {name: array.shape for name, array in self.state().items()}
        if shapes != {name: np.shape(array) for name, array in state.items()}:
            raise StateError(f"a projection's state must have the shapes {shapes}")
        self._weight = np.array(state["weight"], np.float32)
        self._mean = np.array(state["mean"], np.float32)
        self._square = np.array(state["square"], np.float32)
        self._steps = int(state["steps"][0])


class FixedProjection:
    """A secret random projection that never learns, for runs without a backward pass.

    Rows of W are drawn so that it keeps lengths on average (Johnson & Lindenstrauss, 1984).
    """

    def __init__(self, shape: tuple[int, int], *, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self._weight = rng.normal(0, shape[1] ** -0.5, shape).astype(np.float32)

    def forward(self, phi: Floats) -> Floats:
        """Project (B, r) encoder outputs to (B, d) embeddings."""
        return np.asarray(phi @ self._weight, dtype=np.float32)
