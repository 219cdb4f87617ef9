"""What is known of one user when songs are asked for."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from recall.errors import ShapeError

Ids = npt.NDArray[np.int64]

NO_ITEMS: Ids = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Query:
    """One user, as channels see them; a channel uses what it understands.

    A cold user has no history; a user whom no partner knows has no vector.

    Args:
        vector: (dim,) the federated tower's output; None when no party knows the user.
        history: (n,) songs the user played, oldest first; a song may come more than once.
        excluded: (m,) songs that must not be recalled, in any order.

    Raises:
        ShapeError: history or excluded is no vector of item numbers.
    """

    vector: npt.NDArray[np.float32] | None = field(default=None, repr=False)
    history: Ids = field(default_factory=NO_ITEMS.copy, repr=False)
    excluded: Ids = field(default_factory=NO_ITEMS.copy, repr=False)

    def __post_init__(self) -> None:
        for name in ("history", "excluded"):
            items = getattr(self, name)
            if items.ndim != 1 or items.dtype != np.int64:
                raise ShapeError(f"{name} must be a vector of int64 item numbers")

    @property
    def is_cold(self) -> bool:
        """Whether the platform never heard a play from this user."""
        return not len(self.history)
