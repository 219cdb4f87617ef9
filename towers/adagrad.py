"""A table of vectors that learns by Adagrad, a few rows at a time."""

import torch
from torch import Tensor

EPSILON = 1e-6  # keeps the first step of a row finite


class AdagradTable:
    """Rows that learn by Adagrad with one step size a row; only rows with a gradient move.

    Args:
        shape: rows and columns.
        rate: the learning rate.
        generator: where the first values come from, uniform in ±1 / (2 columns).

    Source: Duchi et al. (JMLR 2011); one step size a row saves the memory of the others.
    """

    def __init__(self, shape: tuple[int, int], rate: float, generator: torch.Generator) -> None:
        self.rows = (torch.rand(shape, generator=generator) - 0.5) / shape[1]
        self._squares = torch.zeros(shape[0])
        self._rate = rate

    def apply(self, rows: Tensor, gradient: Tensor) -> None:
        """Step along the gradient of some rows, each named once."""
        self._squares[rows] += gradient.square().mean(1)
        step = self._rate / (self._squares[rows].sqrt() + EPSILON)
        self.rows[rows] -= step[:, None] * gradient
