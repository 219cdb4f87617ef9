"""No item in more than a share of the lists: a cap that remembers the last lists."""

import math
from collections import deque
from collections.abc import Callable
from threading import Lock

import numpy as np
import numpy.typing as npt

from recall.errors import ConfigError

Ids = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Exposure:
    """Counts in how many of the last lists each item was.

    Of any `window` lists one after another, an item is in at most `share` · `window`, rounded
    down. For a batch of lists that is known whole, let `window` be their number. Several threads
    may share one object.

    Args:
        items: in the catalogue.
        share: of the lists that an item may be in, above 0 and at most 1.
        window: lists that are remembered; share · window must be at least 1.

    Raises:
        ConfigError: a number is out of range.
    """

    def __init__(self, items: int, *, share: float, window: int = 1000) -> None:
        if items < 1 or window < 1 or not 0 < share <= 1:
            raise ConfigError("exposure needs items and a window above 0, and a share in (0, 1]")
        self.most = math.floor(share * window + 1e-9)
        if self.most < 1:
            raise ConfigError(f"a share of {share} of {window} lists is less than one list")
        self._counts = np.zeros(items, dtype=np.int64)
        self._lists: deque[Ids] = deque()
        self._window = window
        self._lock = Lock()

    def counts(self) -> Ids:
        """(items,) in how many of the lists that are remembered each item is."""
        with self._lock:
            return self._counts.copy()

    def limit(self, items: Ids, choose: Callable[[Bools], Ids]) -> Ids:
        """Let a list be chosen from what may still be shown, and remember it.

        Args:
            items: (n,) item numbers that could be in the list.
            choose: given (n,), whether each may be shown, answers places in `items`.

        Returns:
            What `choose` answered.
        """
        with self._lock:
            chosen = choose(self._counts[items] < self.most)
            self._remember(items[chosen])
            return chosen

    def _remember(self, shown: Ids) -> None:
        self._lists.append(shown)
        self._counts[shown] += 1
        # The window is the list to come and those before it.
        if len(self._lists) == self._window:
            self._counts[self._lists.popleft()] -= 1
