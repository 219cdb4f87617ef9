"""Choosing how Song2Vec is trained and how much the graph counts, on what validation hides."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from recall.relation import RelationConfig
from simulations.bench.graph_stage import TUNED_BY, Stage
from simulations.channels.names import ChannelName
from simulations.world import PRESETS, WorldConfig
from towers.song2vec import SongEpoch
from towers.song2vec_config import Song2VecConfig

Report = dict[str, Any]

PLAIN, FUSED = "song2vec", ChannelName.KG.value
NO_GRAPH: Final = RelationConfig(factor=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphExtent:
    """How much is tried.

    Args:
        model: of Song2Vec; its epochs are the most there are.
        factors: relation factors that are tried beside 0.
        floors: what songs without walks count as having.
        popularities: powers of the plays that are tried.
        epochs: numbers of epochs that are tried, beside the model's.
        hidden_share: of each user's songs.
        most_users: users who are asked at most.
        world: what the data set `world` is made of.
    """

    model: Song2VecConfig = field(default_factory=lambda: Song2VecConfig(epochs=16))
    factors: tuple[float, ...] = (0.4, 0.8, 1.6, 3.2, 6.4)
    floors: tuple[float, ...] = (0.01, 0.1)
    popularities: tuple[float, ...] = (0.0, 0.125, 0.25, 0.375)
    epochs: tuple[int, ...] = (10,)
    hidden_share: float = 0.2
    most_users: int = 3000
    world: WorldConfig = PRESETS["demo"]

    def relations(self) -> Iterator[RelationConfig]:
        """Every factor with every floor, first of all none."""
        yield NO_GRAPH
        for factor in self.factors:
            for floor in self.floors:
                yield RelationConfig(factor=factor, floor=floor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is chosen: how vectors are learnt, and how much the graph counts."""

    model: Song2VecConfig
    relation: RelationConfig

    def report(self) -> Report:
        """What of it was tuned."""
        return {
            "relation_factor": self.relation.factor,
            "relation_floor": self.relation.floor if self.relation.factor else None,
            "epochs": self.model.epochs,
            "popularity": self.model.popularity,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """Every setting that was tried, with its recall on what validation hides."""

    tried: Mapping[Setting, float]

    def best(self, *, fused: bool) -> Setting:
        """The best setting with the graph allowed, or without it."""
        allowed = [each for each in self.tried if fused or not each.relation.factor]
        return max(allowed, key=lambda each: self.tried[each])

    def report(self) -> Report:
        """The chosen settings, and the best recall for each relation factor."""
        by_factor: dict[str, float] = {}
        for setting, recall in self.tried.items():
            key = f"{setting.relation.factor:g}"
            by_factor[key] = max(recall, by_factor.get(key, 0.0))
        return {
            "metric": TUNED_BY,
            "tried": len(self.tried),
            "by_relation_factor": by_factor,
            "chosen": {
                PLAIN: self.best(fused=False).report(),
                FUSED: self.best(fused=True).report(),
            },
        }


def tune(stage: Stage, how: GraphExtent, tell: Callable[[str], None]) -> Tuning:
    """Try every relation factor with every number of epochs and every popularity.

    Vectors do not know of the graph, so they are learnt once.
    """
    tried: dict[Setting, float] = {}
    plays = stage.sessions.plays()

    def note(epoch: SongEpoch) -> None:
        if epoch.number not in {*how.epochs, how.model.epochs}:
            return
        tell(f"tuning after {epoch.number} epochs")
        vectors = epoch.vectors()
        for power in how.popularities:
            model = replace(how.model, epochs=epoch.number, popularity=power)
            products = stage.products(vectors.with_popularity(power, plays))
            for relation in how.relations():
                setting = Setting(model=model, relation=relation)
                tried[setting] = stage.recall(products, relation)

    stage.train(how.model, note)
    return Tuning(tried=tried)
