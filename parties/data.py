"""What each party brings to a run, with tables already turned into numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import scipy.sparse as sp

from parties.errors import DataError
from towers.features import Features


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemData:
    """What the item party brings.

    Args:
        users: (n,) identifiers, in the form partners use too.
        listening: (n, m) weights above 0 of the songs a user played; cold users have empty rows.
        own: n rows of what the item party itself knows of its users; None for nothing.
        songs: m rows of what it knows of its songs; None for nothing.

    Raises:
        DataError: the numbers of rows differ.
    """

    users: Sequence[str] = field(repr=False)
    listening: sp.csr_array = field(repr=False)
    own: Features | None = field(default=None, repr=False)
    songs: Features | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        users, songs = self.listening.shape
        _refuse_rows("listening", users, len(self.users))
        if self.own is not None:
            _refuse_rows("own features", self.own.rows, users)
        if self.songs is not None:
            _refuse_rows("song features", self.songs.rows, songs)


@dataclass(frozen=True, slots=True)
class PartnerData:
    """What a partner brings.

    Args:
        identifiers: (n,) its users, in the form the item party uses too.
        features: n rows of what it knows of them.

    Raises:
        DataError: the numbers of rows differ.
    """

    identifiers: Sequence[str] = field(repr=False)
    features: Features = field(repr=False)

    def __post_init__(self) -> None:
        _refuse_rows("features", self.features.rows, len(self.identifiers))


def _refuse_rows(what: str, rows: int, due: int) -> None:
    if rows != due:
        raise DataError(f"{what} have {rows} rows where {due} are due")
