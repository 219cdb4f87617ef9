"""A data set as the arrays that a simulation works on."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from parties.data import PartnerData
from parties.listening import ItemListening, item_listening, partner_data
from parties.tables.federation import FederationTables

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening(ItemListening):
    """What the item party knows, and beside it what every partner brings.

    Args:
        name: of the data set.
        partners: partner → what it brings.
    """

    name: str
    partners: Mapping[str, PartnerData] = field(repr=False)

    def known(self) -> npt.NDArray[np.bool_]:
        """(n, partners) whether a partner knows a user. Simulations alone can ask this."""
        users = pd.Index(self.users)
        columns = [users.isin(data.identifiers) for data in self.partners.values()]
        return np.column_stack(columns)


def listening_of(tables: FederationTables) -> Listening:
    """Number users and songs of a federation's tables.

    Raises:
        DataError: nobody listened to anything.
    """
    item = item_listening(tables.item)
    return Listening(
        name=tables.name,
        users=item.users,
        items=item.items,
        weights=item.weights,
        own=item.own,
        songs=item.songs,
        partners={partner.name: partner_data(partner) for partner in tables.partners},
        entry_points=item.entry_points,
        segments=item.segments,
        heard_at=item.heard_at,
    )
