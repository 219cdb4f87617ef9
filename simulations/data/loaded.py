"""A data set in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from parties.tables import FederationTables


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoadedData:
    """A data set's tables.

    Attributes:
        tables: every party's tables; `tables.item.triples` is None where there are tags.
        tags: user_id, item_id, tag (text): which user gave which song which tag; None where a
            data set has no such thing. Which of them a model may see, `simulations.knowledge`
            says.
        tag_names: tag → what it is called, for people; empty if the data set does not say.
    """

    tables: FederationTables
    tags: pd.DataFrame | None = field(default=None, repr=False)
    tag_names: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """The data set's name."""
        return self.tables.name
