"""Reading and checking the tables of a federation, for simulations and real parties alike."""

from parties.tables.description import (
    FederationDescription,
    ItemPartyDescription,
    PartnerDescription,
    read_description,
)
from parties.tables.features import (
    ColumnKind,
    FeatureFrame,
    FeatureLayout,
    long_features,
    wide_features,
)
from parties.tables.federation import FederationTables, read_federation
from parties.tables.item_party import ItemTables, check_events, check_triples, read_item_party
from parties.tables.matrix import FeatureColumns, FeatureMatrix, to_features
from parties.tables.partner import PartnerTable, read_partner

__all__ = [
    "ColumnKind",
    "FeatureColumns",
    "FeatureFrame",
    "FeatureLayout",
    "FeatureMatrix",
    "FederationDescription",
    "FederationTables",
    "ItemPartyDescription",
    "ItemTables",
    "PartnerDescription",
    "PartnerTable",
    "check_events",
    "check_triples",
    "long_features",
    "read_description",
    "read_federation",
    "read_item_party",
    "read_partner",
    "to_features",
    "wide_features",
]
