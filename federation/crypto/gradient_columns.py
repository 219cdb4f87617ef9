"""The columns of a partner's phi, encoded for multiplication and kept while there is room."""

from collections import OrderedDict

import numpy as np

from federation.crypto.gradient_config import GROUP_ROWS, Floats, GradientConfig
from federation.crypto.he_ntt import PublicRing


class ColumnCache:
    """Columns of phi as factors for the products, made when first used.

    A factor takes 3 KiB and two thirds of a millisecond. When the factors exceed
    `cache_bytes`, those unused for longest go.
    """

    def __init__(self, config: GradientConfig, ring: PublicRing, phi: Floats) -> None:
        self._config = config
        self._ring = ring
        self._phi = config.fix_phi(phi)
        self._factors: OrderedDict[tuple[int, int, int], bytes] = OrderedDict()
        self._bytes = 0

    @property
    def groups(self) -> int:
        """Groups there are, the last one perhaps short."""
        return -(-len(self._phi) // GROUP_ROWS)

    def users(self, group: int) -> int:
        """Users in a group."""
        return min(GROUP_ROWS, len(self._phi) - group * GROUP_ROWS)

    def factor(self, group: int, part: int, *, column: int) -> bytes:
        """The factor for one ciphertext of a group; empty if the column is zero there.

        SEAL refuses a product that is certainly zero, so callers leave those out.
        """
        key = (group, part, column)
        found = self._factors.pop(key, None)
        if found is None:
            found = self._make(group, part, column)
            self._bytes += len(found)
        self._factors[key] = found
        while self._bytes > self._config.cache_bytes:
            self._bytes -= len(self._factors.popitem(last=False)[1])
        return found

    def _make(self, group: int, part: int, column: int) -> bytes:
        rows = min(GROUP_ROWS, self._config.rows_per_cipher)
        start = group * GROUP_ROWS + part * rows
        end = min(start + rows, (group + 1) * GROUP_ROWS)
        values = self._phi[start:end, column : column + 1].astype(np.int64)
        return self._ring.factor(self._config.spread(values)) if values.any() else b""
