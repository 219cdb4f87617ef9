"""What fusion may know of items beside who recalled them."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from recall.errors import ShapeError

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Catalogue:
    """Facts of every item, by item number; each may be left out.

    Args:
        popularity: (items,) plays or listeners, 0 or more; learned fusion looks at it.
        groups: (items,) the artist or another key that a list should not repeat too often;
            below 0 for none.
        vectors: (items, dim) finite; what is alike has a high cosine.

    Raises:
        ShapeError: an array has another shape, or the arrays are not of one length.
    """

    popularity: Floats | None = field(default=None, repr=False)
    groups: Ids | None = field(default=None, repr=False)
    vectors: Floats32 | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        given = [(self.popularity, 1), (self.groups, 1), (self.vectors, 2)]
        present = [(facts, dims) for facts, dims in given if facts is not None]
        if any(facts.ndim != dims for facts, dims in present):
            raise ShapeError("popularity and groups must be vectors, item vectors a matrix")
        if len({len(facts) for facts, _ in present}) > 1:
            raise ShapeError("popularity, groups and vectors must be as many as there are items")
        if self.popularity is not None and not self._popularity_is_sound(self.popularity):
            raise ShapeError("popularity holds a negative number, NaN or infinity")
        if self.vectors is not None and not np.isfinite(self.vectors).all():
            raise ShapeError("item vectors hold NaN or infinity")

    @staticmethod
    def _popularity_is_sound(popularity: Floats) -> bool:
        return bool(np.isfinite(popularity).all() and (popularity >= 0).all())

    def check(self, items: Ids) -> None:
        """Refuse items beyond the catalogue.

        Args:
            items: (n,) ascending item numbers.

        Raises:
            ShapeError: one has no facts.
        """
        known = [each for each in (self.popularity, self.groups, self.vectors) if each is not None]
        if known and len(items) and (items[0] < 0 or items[-1] >= len(known[0])):
            raise ShapeError(
                f"a channel gave item {items[-1]} of {len(known[0])} in the catalogue"
            )

    def fame(self, items: Ids) -> Floats:
        """(n,) log popularity, from 0 for no plays to 1 for the most; 0 where it is not known."""
        if self.popularity is None or not self.popularity.any():
            return np.zeros(len(items))
        most = np.log1p(self.popularity.max())
        return np.asarray(np.log1p(self.popularity[items]) / most, dtype=np.float64)


NO_FACTS = Catalogue()
"""A catalogue of which nothing is known."""
