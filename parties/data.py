"""What each party brings to a run, with tables already turned into numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import scipy.sparse as sp

from towers.features import Features


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemData:
    """What the item party brings.

    Args:
        users: (n,) identifiers, in the form partners use too.
        listening: (n, m) weights above 0 of the songs a user played; cold users have empty rows.
        own: n rows of what the item party itself knows of its users; None for nothing.
        songs: m rows of what it knows of its songs; None for nothing.
    """

    users: Sequence[str] = field(repr=False)
    listening: sp.csr_array = field(repr=False)
    own: Features | None = field(default=None, repr=False)
    songs: Features | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class PartnerData:
    """What a partner brings.

    Args:
        identifiers: (n,) its users, in the form the item party uses too.
        features: n rows of what it knows of them.
    """

    identifiers: Sequence[str] = field(repr=False)
    features: Features = field(repr=False)
