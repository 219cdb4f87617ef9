"""Pairs of a user and a song, by their ids: what a table must not tell of."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
import scipy.sparse as sp

PAIR: Final = ["user_id", "item_id"]


def pairs_of(plays: sp.csr_array, users: Sequence[str], items: Sequence[str]) -> pd.DataFrame:
    """user_id and item_id (text) of every entry.

    Args:
        plays: (n, m), an entry for each pair.
        users: (n,) user ids.
        items: (m,) item ids.
    """
    rows, columns = sp.coo_array(plays).coords
    ids = {"user_id": np.asarray(users)[rows], "item_id": np.asarray(items)[columns]}
    return pd.DataFrame(ids, dtype="str")


def without(table: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table of user_id, item_id and more that are about none of some pairs."""
    told = pd.MultiIndex.from_frame(table[PAIR]).isin(pd.MultiIndex.from_frame(pairs[PAIR]))
    return table[~told]
