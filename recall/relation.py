"""The relation factor: how much what a graph says of songs counts beside another score.

Two scores that each are a log-likelihood, up to a constant, add up to the log of the product of
both likelihoods, one of them to the power of a factor: the songs that both speak for come first.
What walks bring to a song is taken as its likelihood under the graph.

Source: the logarithmic opinion pool, Genest & Zidek (Statistical Science 1986).
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recall.errors import ConfigError
from recall.graph_paths import Walks

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationConfig:
    """How much the graph counts.

    Args:
        factor: gamma, at least 0; 0 leaves the other score as it is.
        floor: what a song counts as having that no walk came to, as a share of what the
            strongest song has; in (0, 1].

    Raises:
        ConfigError: a number is out of range.
    """

    factor: float = 1.6
    floor: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.factor < math.inf or not 0 < self.floor <= 1:
            raise ConfigError("factor must be at least 0 and finite, and floor in (0, 1]")


def reached(walks: Walks) -> tuple[Ids, Floats]:
    """The songs that walks came to and those they began at, and the share of each.

    Returns:
        (n,) songs, ascending, and (n,) their weights over the largest one. A song that walks
        began at has share 1: nothing is related to a history as closely as what is in it.
    """
    found, own = walks.scores(), walks.fronts[0].nodes
    songs = np.concatenate([found.nodes, own])
    most = found.weights.max(initial=0.0) or 1.0
    shares = np.concatenate([found.weights / most, np.ones(len(own))])
    order = np.argsort(songs)
    return songs[order], shares[order]


def relation_scores(config: RelationConfig, shares: Floats) -> Floats:
    """What shares add to another score: gamma * log((share + floor) / (1 + floor)).

    It is 0 for the song that most walks came to and below for all others, lowest without any.
    """
    scale = 1 + config.floor
    return np.asarray(config.factor * np.log((shares + config.floor) / scale))
