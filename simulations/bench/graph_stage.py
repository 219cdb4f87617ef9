"""One split of a data set as the graph bench sees it: what models learn from, and who is asked."""

import time
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from parties.seeds import derive_seed
from parties.sessions import sessions_of
from recall.channels import Channel
from recall.graph import Graph
from recall.graph_paths import GraphPaths
from recall.history import HistoryWeights
from recall.metrics import NO_ITEM, user_metrics
from recall.query import Query
from recall.relation import RelationConfig, reached, relation_scores
from recall.song_neighbours import SongNeighbours
from simulations.bench.bad_cases import traits_of
from simulations.bench.graph_split import WarmSplit
from simulations.data import LoadedData
from simulations.knowledge import Shown, knowledge_graph, near_songs
from towers.song2vec import SongVectors, Watch, train_song2vec
from towers.song2vec_config import Song2VecConfig

Ids = npt.NDArray[np.int64]
Matrix = npt.NDArray[np.float32]
Scores = Mapping[str, npt.NDArray[np.float64]]

CUTOFFS: Final = (20, 50)
TUNED_BY: Final = "recall@50"
BAD_CASES: Final = "bad_cases@20"
SHOWN_REASONS: Final = 3
BLOCK: Final = 256  # users who are ranked at a time


class Stage:
    """A graph and sessions without what is hidden, and the users who are asked for it.

    Args:
        data: the data set.
        splits: the split that is asked for, and before it those it was cut from; what any of
            them hides is hidden.
        most_users: users who are asked at most, drawn at random.
        seed: of that draw and of the vectors.
    """

    def __init__(
        self, data: LoadedData, splits: tuple[WarmSplit, ...], *, most_users: int, seed: int
    ) -> None:
        self.split = splits[-1]
        hidden = pd.concat([each.hidden_pairs for each in splits], ignore_index=True)
        shown = Shown(warm_users=frozenset(self.split.users), hidden=hidden)
        self.graph: Graph = knowledge_graph(data, self.split.items, shown)
        self.sessions = sessions_of(self.split.events, self.split.items)
        self._traits = traits_of(data, self.split.items)
        self._seed = seed
        drawn = np.random.default_rng(derive_seed(seed, "users")).permutation(self.split.tested)
        self.users: Ids = np.sort(drawn[:most_users])
        self._weights = self._history_weights()

    def train(self, config: Song2VecConfig, watch: Watch | None = None) -> SongVectors:
        """Song2Vec of this split."""
        seed = derive_seed(self._seed, "song2vec")
        return train_song2vec(config, self.sessions, seed=seed, watch=watch)

    def _history_weights(self) -> sp.csr_array:
        """(users, songs) how much each song counts in a query of each user asked."""
        found = [HistoryWeights().of(self.split.histories[int(user)]) for user in self.users]
        rows = np.repeat(np.arange(len(found)), [len(songs) for songs, _ in found])
        columns = np.concatenate([songs for songs, _ in found])
        weights = np.concatenate([each for _, each in found])
        shape = (len(found), len(self.split.items))
        return sp.csr_array(sp.coo_array((weights, (rows, columns)), shape=shape))

    def near(self, vectors: SongVectors, relation: RelationConfig) -> SongNeighbours:
        """The channel of some vectors."""
        return near_songs(vectors, self.graph, relation)

    def scores(self, channel: Channel) -> Scores:
        """Every metric of every user asked, and the milliseconds of an answer with reasons."""
        began = time.perf_counter()
        ranked = self.split.ranked(channel, self.users, max(CUTOFFS))
        spent = (time.perf_counter() - began) * 1e3 / len(self.users)
        found = dict(user_metrics(ranked, self.split.hidden[self.users], cutoffs=CUTOFFS))
        if self._traits is not None:
            heard = self.split.visible[self.users]
            found[BAD_CASES] = self._traits.bad(ranked[:, : CUTOFFS[0]], heard)
        return {**found, "milliseconds": np.full(len(self.users), spent)}

    def products(self, vectors: SongVectors) -> Matrix:
        """(users, songs) what the channel scores without a graph; -inf for songs users have."""
        found = np.asarray(self._weights @ vectors.history, np.float32) @ vectors.items.T
        found[self.split.visible[self.users].nonzero()] = -np.inf
        return found

    @cached_property
    def shares(self) -> Matrix:
        """(users, songs) what walks bring to each song, as a share of the most."""
        paths = GraphPaths(graph=self.graph)
        found = np.zeros((len(self.users), len(self.split.items)), np.float32)
        for row, user in zip(found, self.users.tolist(), strict=True):
            songs, shares = reached(paths.walks(self.split.histories[user]))
            row[songs] = shares
        return found

    def recall(self, products: Matrix, relation: RelationConfig) -> float:
        """What settings are chosen by: as `scores` of the channel, for all users at once."""
        blocks = np.array_split(np.arange(len(products)), 1 + len(products) // BLOCK)
        ranked = np.concatenate([self._ranked(products, relation, rows) for rows in blocks])
        truth = self.split.hidden[self.users]
        return float(user_metrics(ranked, truth, cutoffs=CUTOFFS)[TUNED_BY].mean())

    def _ranked(self, products: Matrix, relation: RelationConfig, rows: Ids) -> Ids:
        """(rows, K) the first songs of some users, in no order before the last cut-off."""
        scores: npt.NDArray[np.floating[Any]] = products[rows]
        if relation.factor:
            scores = scores + relation_scores(relation, self.shares[rows])
        k = min(max(CUTOFFS), scores.shape[1])
        best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        kept = np.take_along_axis(scores, best, axis=1) > -np.inf
        return np.where(kept, best, NO_ITEM).astype(np.int64)

    def description(self) -> Mapping[str, object]:
        """What there is to learn from, and why the first user asked gets the first songs."""
        query = Query(history=self.split.histories[int(self.users[0])])
        return {
            "users": len(self.users),
            "songs": len(self.split.items),
            "entities": self.graph.entities,
            "edges": self.graph.steps.nnz // 2,
            "relations": list(self.graph.relations),
            "sessions": len(self.sessions.starts) - 1,
            "reasons": list(GraphPaths(graph=self.graph).recall(query, SHOWN_REASONS).reasons),
        }
