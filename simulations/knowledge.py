"""The knowledge graph that a simulation may show a model, and the channel that is near by it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import pandas as pd

from parties.knowledge import WEIGHT, graph_of, titles, triples_of
from recall.graph import Graph
from recall.graph_paths import GraphPaths
from recall.index import FlatIndex
from recall.relation import RelationConfig
from recall.song_neighbours import SongNeighbours
from simulations.data.loaded import LoadedData
from simulations.pairs import without
from towers.song2vec import SongVectors

TAGGED = "tagged"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shown:
    """Whose tags a model may see.

    Args:
        warm_users: user_id of everybody who has a history.
        hidden: user_id and item_id of listening that the model is tested on. Who tags a song
            very likely played it, so a tag that such a user gave to such a song is left out.
    """

    warm_users: Collection[str] = field(repr=False)
    hidden: pd.DataFrame | None = field(default=None, repr=False)

    def tags(self, tags: pd.DataFrame) -> pd.DataFrame:
        """The rows of user_id, item_id and tag that may be seen."""
        seen = tags[tags["user_id"].isin(set(self.warm_users))]
        if self.hidden is None or self.hidden.empty:
            return seen
        return without(seen, self.hidden)


def knowledge_graph(data: LoadedData, items: Sequence[str], shown: Shown) -> Graph:
    """Build the graph of a data set's tags, its triples, or its songs' columns: the first it has.

    An edge of tags weighs as many users as gave the tag.

    Args:
        data: the data set.
        items: item ids in the order of their numbers.
        shown: whose tags count.

    Raises:
        ValueRefusedError: there are triples and none of them names a song.
    """
    triples = triples_of(data.tables.item) if data.tags is None else _tag_triples(data.tags, shown)
    labels = {**titles(data.tables.item), **data.tag_names}
    return graph_of(triples, items, labels=labels)


def near_songs(vectors: SongVectors, graph: Graph, relation: RelationConfig) -> SongNeighbours:
    """The channel of songs near a history's in Song2Vec, and by paths of a graph.

    Args:
        vectors: of every song.
        graph: of the same songs.
        relation: how much the graph counts; with a factor of 0 it is not walked.
    """
    return SongNeighbours(
        index=FlatIndex(vectors.items),
        history=vectors.history,
        items=vectors.items,
        labels=graph.labels,
        paths=GraphPaths(graph=graph) if relation.factor else None,
        relation=relation,
    )


def _tag_triples(tags: pd.DataFrame, shown: Shown) -> pd.DataFrame:
    given = shown.tags(tags).groupby(["item_id", "tag"]).size().reset_index(name=WEIGHT)
    return pd.DataFrame(
        {
            "head": given["item_id"],
            "relation": TAGGED,
            "tail": given["tag"],
            WEIGHT: given[WEIGHT].astype(float),
        }
    )
