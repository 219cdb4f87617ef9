"""A partner's one table: features of its users, wide or long."""

from dataclasses import dataclass

import pyarrow as pa

from parties.errors import DescriptionError, LayoutError
from parties.tables.description import PartnerDescription, check_partner_name
from parties.tables.features import (
    FEATURE,
    LONG_COLUMNS,
    USER_ID,
    FeatureFrame,
    FeatureLayout,
    long_features,
    require_columns,
    wide_features,
)
from parties.tables.source import Source, open_source


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PartnerTable:
    """What a partner holds.

    Attributes:
        name: 1 to 32 of a-z, 0-9 and -.
        features: its users' features.
        sensitive: columns (wide) or features (long) that an audit must treat as sensitive.
    """

    name: str
    features: FeatureFrame
    sensitive: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if problem := check_partner_name(self.name):
            raise DescriptionError(problem)
        known = _feature_names(self.features) if self.sensitive else frozenset()
        for name in self.sensitive:
            if name not in known:
                raise DescriptionError(
                    f"partner {self.name}: sensitive names {name!r}, which is not a feature"
                )

    @property
    def user_ids(self) -> tuple[str, ...]:
        """The partner's users, sorted and distinct."""
        return self.features.ids


def read_partner(description: PartnerDescription) -> PartnerTable:
    """Read and check a partner's file; nothing of any other party is needed.

    A table whose columns are `user_id, feature` or `user_id, feature, value` is long.

    Raises:
        DataError: the file is missing, empty, malformed or holds a value it may not hold; the
            message names file, column and line.
    """
    source = open_source(description.users)
    require_columns(source, list(source.columns), (USER_ID,))
    return PartnerTable(
        name=description.name,
        features=_read_features(source, description),
        sensitive=description.sensitive,
    )


def _read_features(source: Source, description: PartnerDescription) -> FeatureFrame:
    long = set(source.columns) in LONG_COLUMNS
    if not long and len(source.columns) == 1:
        raise source.error(LayoutError, "has no feature column beside user_id; add one")
    if long and description.columns:
        raise source.error(
            LayoutError, "is a long table, whose features have no kinds; remove [partner.columns]"
        )
    table = pa.Table.from_batches(source.batches(source.columns))
    if long:
        return long_features(table, origin=source)
    return wide_features(table, kinds=description.columns, origin=source)


def _feature_names(features: FeatureFrame) -> frozenset[str]:
    if features.layout is FeatureLayout.WIDE:
        return frozenset(features.columns)
    return frozenset(features.table[FEATURE].unique())
