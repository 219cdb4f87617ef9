"""Bad cases: recalled songs that have nothing in common with anything their listener played."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from parties.tables.features import SEPARATOR
from parties.tables.item_party import ItemTables
from recall.metrics import NO_ITEM
from simulations.data.loaded import LoadedData

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
TRAITS = ("language", "genre")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Traits:
    """What songs are told apart by.

    Args:
        values: trait → (songs, values) matrix, 1 where a song has a value.
    """

    values: Mapping[str, sp.csr_array] = field(repr=False)

    def bad(self, ranked: Ids, heard: sp.csr_array) -> Floats:
        """Share of each user's list that shares no value of some trait with anything heard.

        Args:
            ranked: (users, k) item numbers, -1 behind the last.
            heard: (users, songs) above 0 where a user played a song.

        Returns:
            (users,) in 0 … 1; 0 for an empty list.
        """
        listed = ranked != NO_ITEM
        bad = np.zeros(ranked.shape, dtype=bool)
        for values in self.values.values():
            profile = sp.csr_array(heard > 0).astype(np.float32) @ values
            for row, items in enumerate(ranked):
                shared = values[items[listed[row]]] @ profile[[row]].T
                bad[row, listed[row]] |= shared.toarray().ravel() == 0
        return np.asarray(bad.sum(axis=1) / np.maximum(1, listed.sum(axis=1)))


def traits_of(data: LoadedData, items: Sequence[str]) -> Traits | None:
    """Language and genre where the songs have them, else tags; None without either.

    Everybody's tags count here, hidden ones included: they judge and teach nothing.
    """
    if data.tags is not None:
        return Traits(values={"tag": _matrix(data.tags["item_id"], data.tags["tag"], items)})
    columns = _columns(data.tables.item)
    if not columns:
        return None
    return Traits(
        values={name: _matrix(each.index, each, items) for name, each in columns.items()}
    )


def _columns(tables: ItemTables) -> Mapping[str, "pd.Series[str]"]:
    """The columns of `TRAITS` that there are, a row a value, indexed by item id."""
    if tables.items is None:
        return {}
    found = {}
    for name in TRAITS:
        if name in tables.items.kinds:
            ids = pd.Index(tables.items.ids)
            values = pd.Series(tables.items.table[name].to_numpy(), index=ids, dtype="str")
            found[name] = values.str.split(SEPARATOR).explode().dropna()
    return found


def _matrix(
    songs: "pd.Index[str] | pd.Series[str]", values: "pd.Series[str]", items: Sequence[str]
) -> sp.csr_array:
    rows = pd.Index(items).get_indexer(pd.Index(songs))
    columns, names = pd.factorize(values)
    known = rows >= 0
    entries = (np.ones(int(known.sum()), np.float32), (rows[known], columns[known]))
    matrix = sp.csr_array(sp.coo_array(entries, shape=(len(items), len(names))))
    matrix.data[:] = 1
    return matrix
