"""The knowledge graph of an item party's songs, from its tables."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from parties.errors import ValueRefusedError
from parties.tables.features import SEPARATOR, ColumnKind, FeatureFrame
from parties.tables.item_party import ItemTables
from recall.graph import Edges, Graph

WEIGHT = "weight"
TITLES = ("title", "name")  # columns that say what a song is called, the first one found


def triples_of(tables: ItemTables) -> pd.DataFrame:
    """What the item party knows: its triples, or else what its songs' columns say.

    Returns:
        head, relation, tail (text); no rows when there is neither.
    """
    if tables.triples is not None:
        return tables.triples
    if tables.items is not None:
        return metadata_triples(tables.items)
    return pd.DataFrame({"head": [], "relation": [], "tail": []}, dtype="str")


def metadata_triples(items: FeatureFrame) -> pd.DataFrame:
    """Triples from the columns of a song table: song, has_<column>, value.

    Numbers join no songs, and neither does a column in which no two songs agree; both are left
    out. A multi-valued cell gives a triple a value.

    Returns:
        head, relation, tail (text), distinct. A tail is `column=value`, so that a genre and an
        album of one name stay apart.
    """
    parts = [
        _column_triples(items, column)
        for column, kind in items.kinds.items()
        if kind is not ColumnKind.NUMERIC
    ]
    empty = pd.DataFrame({"head": [], "relation": [], "tail": []}, dtype="str")
    return pd.concat([empty, *parts], ignore_index=True)


def _column_triples(items: FeatureFrame, column: str) -> pd.DataFrame:
    values = pd.Series(items.table[column].to_numpy(), index=pd.Index(items.ids), dtype="str")
    if items.kinds[column] is ColumnKind.MULTI:
        values = values.str.split(SEPARATOR).explode().str.strip()
    values = values[values.notna() & (values != "")]
    pairs = pd.DataFrame({"head": values.index, "tail": values.to_numpy()}).drop_duplicates()
    if pairs["tail"].is_unique:
        pairs = pairs.iloc[:0]
    return pd.DataFrame(
        {
            "head": pairs["head"],
            "relation": f"has_{column}",
            "tail": column + "=" + pairs["tail"],
        },
        dtype="str",
    )


def graph_of(
    triples: pd.DataFrame, songs: Sequence[str], *, labels: Mapping[str, str] | None = None
) -> Graph:
    """Number songs and entities and join them.

    A triple that leads from something to itself says nothing and is left out. A triple between
    two entities counts: it leads from artist to artist, or from artist to genre.

    Args:
        triples: head, relation, tail (text), and optionally weight: above 0, how often it was
            said. A head or tail that is one of `songs` is that song.
        songs: (m,) item ids in the order of their numbers.
        labels: what songs and entities are called, where that is not their id.

    Raises:
        ValueRefusedError: there are triples, and none of them names a song.
    """
    named = pd.unique(pd.concat([triples["head"], triples["tail"]], ignore_index=True))
    if len(named) and not pd.Index(songs).isin(named).any():
        raise ValueRefusedError(
            f"none of {len(triples)} triples names a song: head or tail must be an item_id, "
            f"such as {songs[0]!r}; the first head is {triples['head'].iloc[0]!r}"
        )
    entities = sorted(set(named) - set(songs))
    nodes = pd.Index([*songs, *entities])
    relations, names = pd.factorize(triples["relation"], sort=True)
    heads, tails = (nodes.get_indexer(pd.Index(triples[end])) for end in ("head", "tail"))
    weights = triples[WEIGHT].to_numpy(np.float64) if WEIGHT in triples else np.ones(len(heads))
    kept = heads != tails
    edges = Edges(
        heads=heads[kept].astype(np.int64),
        relations=relations[kept].astype(np.int64),
        tails=tails[kept].astype(np.int64),
        weights=weights[kept],
    )
    called = labels or {}
    return Graph.of(
        edges,
        songs=len(songs),
        labels=[called.get(node, node) for node in nodes],
        relations=tuple(map(str, names)),
    )


def titles(tables: ItemTables) -> Mapping[str, str]:
    """What songs are called, by item id; empty when no column says so."""
    if tables.items is None:
        return {}
    for column in TITLES:
        if column in tables.items.kinds:
            values = tables.items.table[column]
            pairs = zip(tables.items.ids, values, strict=True)
            return {item: str(value) for item, value in pairs if pd.notna(value)}
    return {}
