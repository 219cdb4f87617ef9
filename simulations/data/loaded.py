"""A data set in memory, and what a simulation may only build once it knows the warm users."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import pandas as pd

from parties.tables import FederationTables

TAGGED = "tagged"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoadedData:
    """A data set's tables.

    Attributes:
        tables: every party's tables; `tables.item.triples` is None where triples depend on the
            warm users.
        tags: user_id, item_id, tag (text): which user gave which song which tag; None where a
            data set has no such thing.
        tag_names: tag → what it is called, for people; empty if the data set does not say.
    """

    tables: FederationTables
    tags: pd.DataFrame | None = field(default=None, repr=False)
    tag_names: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """The data set's name."""
        return self.tables.name

    def triples(self, warm_users: Collection[str]) -> pd.DataFrame | None:
        """The knowledge triples that a model may see when only `warm_users` have a history.

        Tags of cold users are left out: who tagged an artist very likely played it, so their
        tags would tell the model what it is tested on.

        Args:
            warm_users: user_id of every user whose history the model may see.

        Returns:
            head, relation, tail (text), distinct and sorted; None if the data set has none.
        """
        if self.tags is None:
            return self.tables.item.triples
        seen = self.tags[self.tags["user_id"].isin(set(warm_users))]
        pairs = seen[["item_id", "tag"]].drop_duplicates().sort_values(["item_id", "tag"])
        return pd.DataFrame(
            {"head": pairs["item_id"], "relation": TAGGED, "tail": pairs["tag"]}
        ).reset_index(drop=True)
