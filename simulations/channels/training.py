"""Training the platform's own channels on what a split shows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from parties.listening import places
from parties.seeds import derive_seed
from parties.sessions import sessions_of
from recall import Channel, FlatIndex, Popularity
from recall.factors import FactorModel
from recall.graph import Graph
from recall.graph_paths import GraphPaths
from recall.linear import LinearModel
from recall.neighbours import Neighbours
from recall.plays import listener_counts
from recall.recent import RecentNeighbours
from recall.relation import RelationConfig
from recall.sequence import NearestInterests
from simulations.channels.names import ChannelName
from simulations.data import LoadedData
from simulations.histories import histories
from simulations.knowledge import Shown, knowledge_graph, near_songs
from simulations.pairs import pairs_of
from simulations.split import Split
from towers.sequence_config import (
    EncoderShape,
    MeanPoolingConfig,
    MINDConfig,
    Order,
    SASRecConfig,
    SequenceConfig,
    SequenceTrainingConfig,
)
from towers.sequence_training import train_sequence
from towers.song2vec import train_song2vec
from towers.song2vec_config import Song2VecConfig

Ids = npt.NDArray[np.int64]


class Material:
    """What channels may learn from in one split."""

    def __init__(self, split: Split, data: LoadedData) -> None:
        self._split, self._data = split, data
        self.names: Sequence[str] = split.listening.items
        self.items = len(self.names)
        self.shown: sp.csr_array = split.holdout.shown
        self.ordered = split.listening.heard_at is not None

    def seed(self, name: ChannelName) -> int:
        """Of one channel, apart from all other randomness of the run."""
        return derive_seed(self._split.config.seed, f"channel:{name}")

    @cached_property
    def histories(self) -> list[Ids]:
        """What each user played, the latest last; empty for cold users."""
        return histories(self.shown, self._split.listening.heard_at)

    @cached_property
    def events(self) -> pd.DataFrame:
        """The events that may be seen."""
        events = self._data.tables.item.events
        users, items = places(events, self._split.listening.users, self.names)
        known = (users >= 0) & (items >= 0)
        seen = np.zeros(len(events), dtype=bool)
        seen[known] = np.asarray(self.shown[users[known], items[known]]).ravel() > 0
        return events[seen]

    @cached_property
    def graph(self) -> Graph:
        """What is known of songs, without what the tested users said of the songs they hide."""
        listening = self._split.listening
        warm = np.flatnonzero(np.diff(self.shown.indptr))
        hidden = sp.csr_array(listening.weights - self.shown)
        shown = Shown(
            warm_users=np.array(listening.users)[warm].tolist(),
            hidden=pairs_of(hidden, listening.users, listening.items),
        )
        return knowledge_graph(self._data, listening.items, shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelConfig:
    """How channels are trained that have settings of their own.

    Args:
        song2vec: the vectors of the knowledge-graph channel.
        relation: how much the graph counts beside them.
        sequence: how sequence encoders learn; the order of histories is taken from the data.
    """

    song2vec: Song2VecConfig = field(default_factory=Song2VecConfig)
    relation: RelationConfig = field(default_factory=RelationConfig)
    sequence: SequenceTrainingConfig = field(default_factory=SequenceTrainingConfig)


Train = Callable[[Material, ChannelConfig], Channel]


def _popularity(material: Material, config: ChannelConfig) -> Channel:
    del config
    return Popularity.from_counts(listener_counts(material.shown))


def _recent(material: Material, config: ChannelConfig) -> Channel:
    del config
    return RecentNeighbours(Neighbours.from_plays(material.shown))


def _linear(material: Material, config: ChannelConfig) -> Channel:
    del config
    return LinearModel.from_plays(material.shown)


def _factors(material: Material, config: ChannelConfig) -> Channel:
    del config
    return FactorModel.from_plays(material.shown)


def _sequence(
    name: ChannelName, shape: EncoderShape, material: Material, config: ChannelConfig
) -> Channel:
    order = Order.TIME if material.ordered else Order.NONE
    asked = SequenceConfig(encoder=shape, training=replace(config.sequence, order=order))
    run = train_sequence(asked, material.histories, material.items, seed=material.seed(name))
    trained = run.trained
    return NearestInterests(trained, FlatIndex(trained.item_vectors()), name)


def _kg(material: Material, config: ChannelConfig) -> Channel:
    vectors = train_song2vec(
        config.song2vec,
        sessions_of(material.events, material.names),
        seed=material.seed(ChannelName.KG),
    )
    return near_songs(vectors, material.graph, config.relation)


def _kg_paths(material: Material, config: ChannelConfig) -> Channel:
    del config
    return GraphPaths(graph=material.graph)


TRAINED: Final[Mapping[ChannelName, Train]] = MappingProxyType(
    {
        ChannelName.POPULARITY: _popularity,
        ChannelName.RECENT: _recent,
        ChannelName.LINEAR: _linear,
        ChannelName.FACTORS: _factors,
        ChannelName.SASREC: partial(_sequence, ChannelName.SASREC, SASRecConfig()),
        ChannelName.MIND: partial(_sequence, ChannelName.MIND, MINDConfig()),
        ChannelName.MEAN_POOLING: partial(
            _sequence, ChannelName.MEAN_POOLING, MeanPoolingConfig()
        ),
        ChannelName.KG: _kg,
        ChannelName.KG_PATHS: _kg_paths,
    }
)
