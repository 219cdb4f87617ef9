"""The kinds of index there are, and which are tried for a catalogue of some size."""

import math
from enum import StrEnum
from typing import Final

FLAT_ITEMS: Final = (
    20_000  # up to here comparing with everything costs less than finding a short cut
)
SQ8_ITEMS: Final = 50_000_000  # beyond, two bits a number decide how many machines are needed

MIN_CELLS: Final = 16
MAX_CELLS: Final = 65_536
CELLS_PER_ROOT: Final = 4  # cells are about 4 √items, FAISS's own advice


class Kind(StrEnum):
    """How an index searches."""

    FLAT_INNER_PRODUCT = "flat-inner-product"
    PQ_REFINED = "pq4-refined-sq8"
    IVF_SQ8 = "ivf-sq8"
    IVF_SQ6 = "ivf-sq6"
    HNSW = "hnsw32"


def ladder(count: int) -> tuple[Kind, ...]:
    """The kinds to try for `count` items, in turn; the last one is exact and always does.

    An inverted file is the quickest where a user's songs lie in few cells. Where they do not, it
    would have to search so many that short codes of all items take less time (see
    `InvertedEngine.efforts`). HNSW is on no ladder: it takes seven times the memory, and over a
    prior its graph leads to few songs.
    """
    exact = Kind.FLAT_INNER_PRODUCT
    if count <= FLAT_ITEMS:
        return (exact,)
    if count <= SQ8_ITEMS:
        return (Kind.IVF_SQ8, Kind.PQ_REFINED, exact)
    return (Kind.IVF_SQ6, Kind.IVF_SQ8, Kind.PQ_REFINED, exact)


def cells(count: int) -> int:
    """Cells of an inverted file: the power of two nearest 4 √count, within bounds."""
    wanted: float = CELLS_PER_ROOT * math.sqrt(count)
    power = 1 << max(0, round(wanted).bit_length() - 1)
    nearest = power if wanted / power < 2 * power / wanted else 2 * power
    return min(MAX_CELLS, max(MIN_CELLS, nearest))
