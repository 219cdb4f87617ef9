"""Learned fusion: how much each sign of each channel is worth, for each kind of user."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from recall.catalogue import Catalogue
from recall.errors import ShapeError
from recall.evidence import FAME, SIGNS, evidence
from recall.pool import Pool
from recall.query import Query

Floats = npt.NDArray[np.float64]


class UserKind(StrEnum):
    """What is known of a user decides which channels can be trusted."""

    COLD = "cold"
    """No history: partners know the user, or nobody does."""
    WARM = "warm"
    """A history, and no partner's vector."""
    MIXED = "mixed"
    """Both."""

    @classmethod
    def of(cls, query: Query) -> "UserKind":
        """The kind of the user who asks."""
        if query.is_cold:
            return cls.COLD
        return cls.WARM if query.vector is None else cls.MIXED


@dataclass(frozen=True, slots=True, eq=False)
class FusionWeights:
    """A linear model of what a candidate's sources say.

    Args:
        channels: (channels,) names, sorted.
        signs: (channels, signs) worth of each sign of `recall.evidence.SIGNS`, 0 or more: to be
            recalled, and to be recalled higher, never counts against an item.
        fame: worth of an item's popularity; below 0 if channels overrate what is popular.

    Raises:
        ShapeError: not one row of weights for each channel.
    """

    channels: tuple[str, ...]
    signs: Floats = field(repr=False)
    fame: float = 0.0

    def __post_init__(self) -> None:
        if self.signs.shape != (len(self.channels), len(SIGNS)):
            raise ShapeError(
                f"fusion weights {self.signs.shape} are not those of {len(self.channels)} channels"
            )

    def scores(self, pool: Pool, catalogue: Catalogue) -> Floats:
        """(n,) how likely each candidate is played, in log odds against the others."""
        worth = self.aligned(pool.channels).ravel().astype(np.float32)
        said = evidence(pool).reshape(len(pool), len(worth))
        return np.asarray(said @ worth + self.fame * catalogue.fame(pool.items), np.float64)

    def aligned(self, channels: Sequence[str]) -> Floats:
        """(channels, signs) weights in another order; a channel never seen counts nothing."""
        known = {name: row for name, row in zip(self.channels, self.signs, strict=True)}
        nothing = np.zeros(len(SIGNS))
        return np.array([known.get(name, nothing) for name in channels]).reshape(-1, len(SIGNS))

    def worth(self) -> Mapping[str, Mapping[str, float]]:
        """Channel → sign → weight, for people; popularity under its own name."""
        rows = {
            name: dict(zip(SIGNS, row.tolist(), strict=True))
            for name, row in zip(self.channels, self.signs, strict=True)
        }
        return rows | {FAME: {FAME: self.fame}}


def to_json(weights: Mapping[UserKind, FusionWeights]) -> str:
    """Weights of every kind of user, as text that `from_json` reads."""
    plain = {
        kind.value: {"channels": each.channels, "signs": each.signs.tolist(), "fame": each.fame}
        for kind, each in weights.items()
    }
    return json.dumps({"version": 1, "of": SIGNS, "weights": plain}, indent=2)


def from_json(text: str) -> Mapping[UserKind, FusionWeights]:
    """Weights that `to_json` wrote.

    Raises:
        ShapeError: the text is something else.
    """
    try:
        found = json.loads(text)
        if (found["version"], tuple(found["of"])) != (1, SIGNS):
            raise ShapeError("fusion weights of another version")
        return {
            UserKind(kind): FusionWeights(
                tuple(str(name) for name in each["channels"]),
                _finite(each["signs"]),
                float(_finite(each["fame"])),
            )
            for kind, each in found["weights"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ShapeError(f"these are no fusion weights ({error})") from error


def _finite(values: object) -> Floats:
    numbers = np.asarray(values, dtype=np.float64)
    if not np.isfinite(numbers).all():
        raise ShapeError("fusion weights hold NaN or infinity")
    return numbers
