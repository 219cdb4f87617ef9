"""Figures that a bench has to reach."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

Report = dict[str, Any]


class Bound(Enum):
    """On which side of a number a figure has to be."""

    AT_MOST = "at_most"
    AT_LEAST = "at_least"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A figure to reach."""

    bound: Bound
    value: float

    def compared(self, measured: float) -> Report:
        """The measured figure beside the wanted one."""
        below = measured <= self.value
        reached = below if self.bound is Bound.AT_MOST else measured >= self.value
        return {"measured": measured, self.bound.value: self.value, "reached": reached}
