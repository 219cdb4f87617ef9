"""How several channels' candidates become one list."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from recall.errors import ConfigError


class Method(StrEnum):
    """Where the order of a fused list comes from."""

    QUOTAS = "quotas"
    """Channels take turns, each as often as its quota says."""
    RECIPROCAL_RANK = "reciprocal-rank"
    """The sum of one over each channel's rank."""
    LEARNED = "learned"
    """A linear model of ranks, scores and popularity, fitted to what users played."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiversityConfig:
    """How far a list trades fit for variety.

    Args:
        relevance: the λ of maximal marginal relevance: 1 looks at fit alone, 0 at variety alone.
        among: best candidates that are put in a new order; the rest follows as it is.

    Raises:
        ConfigError: a number is out of range.
    """

    relevance: float = 1.0
    among: int = 400

    def __post_init__(self) -> None:
        if not 0 <= self.relevance <= 1 or self.among < 1:
            raise ConfigError("diversity's relevance must lie in 0 … 1, among be at least 1")

    @property
    def wanted(self) -> bool:
        """Whether anything but fit counts."""
        return self.relevance < 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionConfig:
    """How a fused list is made.

    Args:
        method: where its order comes from.
        quotas: channel → share of the list that its best items have for certain, under every
            method; together at most 1. Under `QUOTAS` channels that are not named share the rest.
        weights: channel → its weight under `RECIPROCAL_RANK`; 1 where not named.
        rank_constant: what is added to a rank before it is inverted; large values make less of
            first places.
        depth: candidates that each channel is asked for.
        group_cap: items of one group (artist, or another key) in a list at most; 0 for no limit.
        diversity: how far fit is traded for variety.

    Raises:
        ConfigError: a number is out of range.
    """

    method: Method = Method.RECIPROCAL_RANK
    quotas: Mapping[str, float] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    rank_constant: float = 60.0
    depth: int = 400
    group_cap: int = 0
    diversity: DiversityConfig = field(default_factory=DiversityConfig)

    def __post_init__(self) -> None:
        _check_shares(self.quotas)
        for name, weight in self.weights.items():
            if not 0 <= weight < math.inf:
                raise ConfigError(f"the fusion weight of {name!r} must be 0 or more, not {weight}")
        if not 0 <= self.rank_constant < math.inf:
            raise ConfigError("fusion's rank_constant must be 0 or more")
        if self.depth < 1 or self.group_cap < 0:
            raise ConfigError("fusion's depth must be at least 1, its group_cap at least 0")

    def shares(self, channels: Sequence[str]) -> tuple[float, ...]:
        """Each channel's share of the list when they take turns."""
        left = max(0.0, 1.0 - sum(self.quotas.values()))
        unnamed = sum(name not in self.quotas for name in channels)
        return tuple(self.quotas.get(name, left / max(1, unnamed)) for name in channels)

    def reserved(self, channels: Sequence[str], k: int) -> tuple[int, ...]:
        """Places of a list of `k` that each channel has for certain."""
        named = tuple(self.quotas.get(name, 0.0) for name in channels)
        shares = self.shares(channels) if self.method is Method.QUOTAS else named
        # What is a whole number on paper must not fall short of it in floating point.
        return tuple(math.floor(share * k + 1e-9) for share in shares)


def _check_shares(quotas: Mapping[str, float]) -> None:
    for name, share in quotas.items():
        if not 0 <= share <= 1:
            raise ConfigError(f"the quota of {name!r} must lie in 0 … 1, not {share}")
    if sum(quotas.values()) > 1 + 1e-9:
        raise ConfigError(f"quotas sum to {sum(quotas.values()):.3g}, more than the whole list")
