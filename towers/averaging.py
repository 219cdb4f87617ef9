"""Weights averaged over the last steps of training, which rank better than those of the last."""

import copy
from typing import Final, Generic, TypeVar

import torch
from torch import nn

Model = TypeVar("Model", bound=nn.Module)
_EARLY: Final = 3  # how many steps' worth the newest weights count while there were few


class WeightAverage(Generic[Model]):
    """An exponential mean of a model's weights, taken once a step.

    It reaches back over about `horizon` steps, and over fewer at first: after n steps the newest
    weights count at least 3 / (3 + n), so that the random first ones are soon forgotten. Buffers
    stay as they are: torch's own `AveragedModel` copies them at each step, and the side features
    of a whole catalogue are one.

    Args:
        model: what is being trained.
        horizon: steps; at 1 or less nothing is averaged, and no copy is made.

    Attributes:
        model: a copy with the averaged weights, which every `update` changes; or what is being
            trained itself.

    Source: Polyak & Juditsky, Acceleration of stochastic approximation by averaging (SIAM J.
    Control and Optimization, 1992).
    """

    def __init__(self, model: Model, *, horizon: float) -> None:
        self.model = copy.deepcopy(model) if horizon > 1 else model
        self._newest, self._steps, self._horizon = model, 0, horizon

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights of the step that was just made."""
        if self.model is self._newest:
            return
        share = max(1 / self._horizon, _EARLY / (_EARLY + self._steps))
        self._steps += 1
        pairs = zip(self.model.parameters(), self._newest.parameters(), strict=True)
        for mean, newest in pairs:
            mean.lerp_(newest, share)
