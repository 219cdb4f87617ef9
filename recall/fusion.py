"""Several channels as one: their candidates fused into a list that knows its sources."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from recall.candidates import Candidates
from recall.catalogue import NO_FACTS, Catalogue
from recall.channels import Channel, fetch
from recall.diversity import marginal_order
from recall.errors import ConfigError
from recall.exposure import Exposure
from recall.fusion_config import FusionConfig, Method
from recall.learned import FusionWeights, UserKind
from recall.pool import Pool
from recall.query import Query
from recall.ranking import best_order, reciprocal_ranks, turns
from recall.recommendation import Fused
from recall.selection import with_quotas, within_cap

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fuser:
    """Makes one list of several; the same lists give the same answer.

    Args:
        config: how.
        catalogue: what is known of items.
        learned: kind of user → weights, for `Method.LEARNED`; kinds without weights are fused by
            reciprocal ranks.
        exposure: a cap over lists. It remembers what was shown, so that an answer then depends
            on those before it.

    Raises:
        ConfigError: the settings need facts or weights that are not given.
    """

    config: FusionConfig = field(default_factory=FusionConfig)
    catalogue: Catalogue = field(default=NO_FACTS, repr=False)
    learned: Mapping[UserKind, FusionWeights] = field(default_factory=dict, repr=False)
    exposure: Exposure | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.config.group_cap and self.catalogue.groups is None:
            raise ConfigError("a group_cap needs the catalogue's groups")
        alike = self.catalogue.vectors is not None or self.catalogue.groups is not None
        if self.config.diversity.wanted and not alike:
            raise ConfigError("diversity needs the catalogue's vectors or groups")
        if self.config.method is Method.LEARNED and not self.learned:
            raise ConfigError("learned fusion needs weights; `fit_weights` makes them")

    def fuse(
        self,
        lists: Mapping[str, Candidates],
        k: int,
        *,
        kind: UserKind = UserKind.WARM,
        excluded: Ids | None = None,
    ) -> Fused:
        """Fuse what channels recalled.

        Args:
            lists: channel → its candidates, best first.
            k: length of the list at most, at least 1.
            kind: of the user; chooses the weights of `Method.LEARNED`.
            excluded: items that must not be in the list.

        Raises:
            ConfigError: `k` is below 1.
            ShapeError: a channel gave an item that the catalogue does not have.
        """
        if k < 1:
            raise ConfigError(f"a list needs at least one place, not {k}")
        pool = Pool.of(lists, excluded)
        self.catalogue.check(pool.items)
        scores, order = self._ranked(pool, kind)
        if self.exposure is None:
            rows = self._chosen(pool, scores, order, k)
        else:
            rows = self.exposure.limit(
                pool.items, lambda free: self._chosen(pool, scores, order[free[order]], k)
            )
        return Fused(pool, rows, scores[rows])

    def _ranked(self, pool: Pool, kind: UserKind) -> tuple[Floats, Ids]:
        """Fused scores, and rows in their order."""
        config, weights = self.config, self.learned.get(kind)
        if config.method is Method.LEARNED and weights is not None:
            scores = weights.scores(pool, self.catalogue)
            return scores, best_order(pool, scores)
        ranked = reciprocal_ranks(
            pool,
            [config.weights.get(name, 1.0) for name in pool.channels],
            config.rank_constant,
        )
        if config.method is not Method.QUOTAS:
            return ranked, best_order(pool, ranked)
        scores = turns(pool, config.shares(pool.channels))
        return scores, best_order(pool, scores, ranked)

    def _chosen(self, pool: Pool, scores: Floats, order: Ids, k: int) -> Ids:
        """Rows of the list, from rows that may be shown."""
        if self.config.group_cap and self.catalogue.groups is not None:
            order = within_cap(order, self.catalogue.groups[pool.items], self.config.group_cap)
        if self.config.diversity.wanted:
            order = self._varied(pool, scores, order)
        return with_quotas(pool, order, self.config.reserved(pool.channels, k), k)

    def _varied(self, pool: Pool, scores: Floats, order: Ids) -> Ids:
        head, rest = np.split(order, [self.config.diversity.among])
        vectors, groups = self.catalogue.vectors, self.catalogue.groups
        items = pool.items[head]
        places = marginal_order(
            scores[head],
            vectors=None if vectors is None else vectors[items],
            groups=None if groups is None else groups[items],
            relevance=self.config.diversity.relevance,
        )
        return np.concatenate([head[places], rest])


@dataclass(frozen=True, slots=True, eq=False)
class Fusion:
    """Channels and a fuser, asked as if they were one channel.

    Args:
        channels: to ask, each of another name.
        fuser: makes one list of what they recall.
        name: of the whole, as a channel.

    Raises:
        ConfigError: no channel, two of one name, or a quota or weight for none of them.
    """

    channels: Sequence[Channel]
    fuser: Fuser = field(default_factory=Fuser)
    name: str = "fusion"

    def __post_init__(self) -> None:
        names = {channel.name for channel in self.channels}
        if not names or len(names) != len(self.channels):
            raise ConfigError("fusion needs at least one channel, each with a name of its own")
        unknown = {*self.fuser.config.quotas, *self.fuser.config.weights} - names
        if unknown:
            raise ConfigError(f"there is no channel {sorted(unknown)} to weigh; there is {names}")

    def __call__(self, query: Query, k: int) -> Fused:
        """A list of at most `k` items for one user, each with its sources.

        Raises:
            ConfigError: `k` is below 1.
        """
        depth = max(k, self.fuser.config.depth)
        lists = {channel.name: fetch(channel, query, depth) for channel in self.channels}
        return self.fuser.fuse(lists, k, kind=UserKind.of(query), excluded=query.excluded)

    def recall(self, query: Query, k: int) -> Candidates:
        """The same as a channel's answer."""
        return self(query, k).candidates()
