"""Fitting learned fusion to what held-out users played."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from recall.candidates import NOTHING, Candidates
from recall.catalogue import NO_FACTS, Catalogue
from recall.errors import ConfigError, NoTruthError
from recall.evidence import SIGNS, evidence
from recall.learned import FusionWeights, UserKind
from recall.pool import Pool

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Example:
    """One user's candidates, and what the user went on to play.

    Args:
        lists: channel → its candidates, without what the user knew already.
        played: (n,) items that were hidden from every channel.
        kind: of the user, as far as channels could see.
    """

    lists: Mapping[str, Candidates]
    played: Ids = field(repr=False)
    kind: UserKind


@dataclass(frozen=True, slots=True, kw_only=True)
class FittingConfig:
    """How weights are fitted.

    Args:
        penalty: on the squares of weights, in mean losses of a user.
        others: candidates not played that a user is compared with at most, drawn at random.
        min_users: users with a played candidate below which a kind gets no weights of its own.
        seed: of the draws.

    Raises:
        ConfigError: a number is out of range.
    """

    penalty: float = 1e-3
    others: int = 600
    min_users: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.penalty < np.inf or self.others < 1 or self.min_users < 1:
            raise ConfigError(
                "fusion's penalty must be 0 or more, others and min_users at least 1"
            )


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """Candidates of many users as rows.

    Args:
        signs: (rows, signs) evidence, popularity last.
        starts: (users,) first row of each user.
        users: (rows,) number of the user.
        shares: (rows,) one over the user's played candidates where played, else 0.
        offsets: (rows,) logarithm of how many candidates a row stands for.
    """

    signs: Floats32
    starts: Ids
    users: Ids
    shares: Floats
    offsets: Floats


def fit_weights(
    examples: Sequence[Example],
    *,
    catalogue: Catalogue = NO_FACTS,
    config: FittingConfig | None = None,
) -> Mapping[UserKind, FusionWeights]:
    """Fit weights for every kind of user there is enough of.

    A user's loss is the cross entropy between what was played, each item alike, and the softmax
    of the scores of all candidates; items that no channel recalled say nothing. It is convex:
    the same examples give the same weights.

    Args:
        examples: users of any kinds, with lists of the same channels each.
        catalogue: where popularity comes from.
        config: how to fit.

    Returns:
        Kind → weights. Where warm users are too few, mixed ones count as warm with the channels
        that warm users have. Other kinds with too few users are left out, and fusion falls back
        to reciprocal ranks for them.

    Raises:
        NoTruthError: no kind has enough users with a played candidate.
        ShapeError: a channel gave an item that the catalogue does not have.

    Source: Cao et al. (ICML 2007) for the loss (ListNet's, with what was played as the truth).
    """
    asked = config or FittingConfig()
    channels = tuple(sorted({name for example in examples for name in example.lists}))
    fitted: dict[UserKind, FusionWeights] = {}
    for kind in UserKind:
        own = [example for example in examples if example.kind is kind]
        table = _table(own, channels, catalogue, asked)
        if kind is UserKind.WARM and 0 < len(table.starts) < asked.min_users:
            table = _table(_as_warm(examples), channels, catalogue, asked)
        if len(table.starts) >= asked.min_users:
            fitted[kind] = _fit(table, channels, asked)
    if not fitted:
        raise NoTruthError(
            f"no kind of user has {asked.min_users} users of whom a channel recalled a played item"
        )
    return fitted


def _as_warm(examples: Sequence[Example]) -> list[Example]:
    """Warm users, and mixed ones as if nobody had given their vectors."""
    warm = [example for example in examples if example.kind is UserKind.WARM]
    theirs = {name for example in warm for name, found in example.lists.items() if len(found)}
    mixed = [
        replace(
            example,
            lists={name: example.lists[name] for name in sorted(theirs & {*example.lists})},
        )
        for example in examples
        if example.kind is UserKind.MIXED
    ]
    return [*warm, *mixed]


def _table(
    examples: Sequence[Example],
    channels: tuple[str, ...],
    catalogue: Catalogue,
    config: FittingConfig,
) -> _Table:
    rng = np.random.default_rng(config.seed)
    parts = [_rows(example, channels, catalogue, config.others, rng) for example in examples]
    used = [part for part in parts if part is not None]
    lengths = np.array([len(part[1]) for part in used], dtype=np.int64)
    width = len(channels) * len(SIGNS) + 1
    empty: Floats = np.empty(0)
    return _Table(
        signs=np.concatenate([np.empty((0, width), np.float32), *(part[0] for part in used)]),
        starts=np.cumsum(lengths) - lengths,
        users=np.repeat(np.arange(len(used)), lengths),
        shares=np.concatenate([empty, *(part[1] for part in used)]),
        offsets=np.concatenate([empty, *(part[2] for part in used)]),
    )


def _rows(
    example: Example,
    channels: tuple[str, ...],
    catalogue: Catalogue,
    others: int,
    rng: np.random.Generator,
) -> tuple[Floats32, Floats, Floats] | None:
    """One user's rows: signs, shares and offsets; None if no channel recalled a played item."""
    pool = Pool.of({**dict.fromkeys(channels, NOTHING), **example.lists})
    catalogue.check(pool.items)
    played = np.isin(pool.items, example.played)
    if not played.any():
        return None
    hits, rest = np.flatnonzero(played), np.flatnonzero(~played)
    drawn = np.sort(rng.choice(rest, others, replace=False)) if len(rest) > others else rest
    kept = np.concatenate([hits, drawn])
    signs = evidence(pool)[kept].reshape(len(kept), -1)
    fame = catalogue.fame(pool.items[kept]).astype(np.float32)
    shares, offsets = np.zeros(len(kept)), np.zeros(len(kept))
    shares[: len(hits)] = 1 / len(hits)
    if len(drawn):
        offsets[len(hits) :] = np.log(len(rest) / len(drawn))
    return np.column_stack([signs, fame]), shares, offsets


def _fit(table: _Table, channels: tuple[str, ...], config: FittingConfig) -> FusionWeights:
    width = table.signs.shape[1]
    bounds = [(0.0, None)] * (width - 1) + [(None, None)]
    found = minimize(
        _loss, np.zeros(width), (table, config.penalty), "L-BFGS-B", jac=True, bounds=bounds
    )
    signs = np.asarray(found.x[:-1], dtype=np.float64).reshape(len(channels), len(SIGNS))
    return FusionWeights(channels, signs, float(found.x[-1]))


def _loss(weights: Floats, table: _Table, penalty: float) -> tuple[float, Floats]:
    """Mean loss of a user and its gradient."""
    users = len(table.starts)
    scores = (table.signs @ weights.astype(np.float32)).astype(np.float64)
    exponents = scores + table.offsets
    exponents -= np.maximum.reduceat(exponents, table.starts)[table.users]
    parts = np.exp(exponents)
    totals = np.add.reduceat(parts, table.starts)
    chances = parts / totals[table.users]
    # Offsets change a user's loss by a constant, so they are left in.
    logs = exponents - np.log(totals)[table.users]
    slopes = ((chances - table.shares) / users).astype(np.float32)
    loss = -float(table.shares @ logs) / users + penalty * float(weights @ weights)
    gradient = (slopes @ table.signs).astype(np.float64) + 2 * penalty * weights
    return loss, gradient
