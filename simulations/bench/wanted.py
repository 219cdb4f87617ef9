"""Figures to reach, and measured ones beside them."""

from dataclasses import dataclass
from enum import Enum
from typing import Any


class Bound(Enum):
    """On which side of a number a figure has to be."""

    AT_MOST = "at_most"
    AT_LEAST = "at_least"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A figure to reach."""

    bound: Bound
    value: float

    def compared(self, measured: float) -> dict[str, Any]:
        """The measured figure beside the wanted one."""
        below = measured <= self.value
        reached = below if self.bound is Bound.AT_MOST else measured >= self.value
        return {"measured": measured, self.bound.value: self.value, "reached": reached}
