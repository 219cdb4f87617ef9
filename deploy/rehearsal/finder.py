"""Finding any of very many secrets in very many bytes, in one pass.

The first eight or sixteen bytes of every secret go through a hash into a table of bits; only
where the bytes of a place hit that table is a place compared at all.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

import numpy as np
import numpy.typing as npt

KEY_BYTES: Final = 8
TABLE_BITS: Final = 22
SHIFT: Final = np.uint64(64 - TABLE_BITS)
MIXER: Final = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio: Fibonacci hashing
CHUNK: Final = 1 << 24

Bits = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]


class Kind(Enum):
    """What a secret is, for people."""

    IDENTIFIER = "user identifiers"
    NAME = "song and artist names"
    FEATURE = "names and values of features"
    EMBEDDING = "partners' embeddings in clear"
    MODEL = "the item party's vectors and weights"


@dataclass(frozen=True, slots=True)
class Needle:
    """Bytes that must not be found, at least `KEY_BYTES` of them.

    Args:
        kind: what they are.
        value: the bytes.
        note: how they came about, such as the encoding; never the secret itself.
    """

    kind: Kind
    value: bytes = field(repr=False)
    note: str = ""


class Finder:
    """Searches for a set of needles."""

    def __init__(self, needles: Iterable[Needle]) -> None:
        """Prepare the search.

        Raises:
            ValueError: a needle is too short to be told from chance.
        """
        held = list(needles)
        for needle in held:
            if len(needle.value) < KEY_BYTES:
                raise ValueError(f"a needle of {len(needle.value)} bytes may turn up by chance")
        self._longest = max((len(needle.value) for needle in held), default=KEY_BYTES)
        # Eight bytes may be one small number, of which memory is full; sixteen tell more.
        long = [needle for needle in held if len(needle.value) >= 2 * KEY_BYTES]
        short = [needle for needle in held if len(needle.value) < 2 * KEY_BYTES]
        self._keys = [_Keys(group, words) for group, words in ((short, 1), (long, 2)) if group]

    def find(self, data: bytes | bytearray | memoryview) -> Iterator[tuple[Needle, int]]:
        """Every needle that `data` holds, with its place; in no particular order."""
        view = memoryview(data)
        for begin in range(0, len(view) if self._keys else 0, CHUNK):
            yield from self._find_in(view[begin : begin + CHUNK + self._longest - 1], begin)

    def _find_in(self, view: memoryview, begin: int) -> Iterator[tuple[Needle, int]]:
        for offset in range(KEY_BYTES):
            count = (len(view) - offset) // KEY_BYTES
            if count <= 0:
                return
            words = np.frombuffer(view, "<u8", count=count, offset=offset)
            for keys in self._keys:
                for place in keys.candidates(words):
                    at = int(place) * KEY_BYTES + offset
                    if at < CHUNK:  # later places are the next chunk's
                        yield from ((needle, begin + at) for needle in keys.matches(view, at))


class _Keys:
    """The beginnings of some needles, as numbers made of one or two words."""

    def __init__(self, needles: Sequence[Needle], words: int) -> None:
        self._bytes = words * KEY_BYTES
        # Thousands of secrets may begin alike: those of one length are told apart by one look-up.
        self._by_start: dict[bytes, dict[int, dict[bytes, Needle]]] = {}
        for needle in needles:
            by_length = self._by_start.setdefault(needle.value[: self._bytes], {})
            by_length.setdefault(len(needle.value), {})[needle.value] = needle
        starts = b"".join(self._by_start)
        self._sums = np.unique(self._sum(np.frombuffer(starts, "<u8"))[::words])
        self._table: Bits = np.zeros(1 << TABLE_BITS, np.bool_)
        self._table[self._sums >> SHIFT] = True

    def candidates(self, words: Words) -> npt.NDArray[np.int64]:
        """Places, in words, where one of the needles may begin."""
        sums = self._sum(words)
        places = np.flatnonzero(self._table[sums >> SHIFT])
        found = sums[places]
        nearest = np.minimum(np.searchsorted(self._sums, found), len(self._sums) - 1)
        return np.asarray(places[np.equal(self._sums[nearest], found)], np.int64)

    def matches(self, view: memoryview, at: int) -> Iterator[Needle]:
        """The needles that really begin at a place."""
        by_length = self._by_start.get(bytes(view[at : at + self._bytes]), {})
        for length, needles in by_length.items():
            needle = needles.get(bytes(view[at : at + length]))
            if needle is not None:
                yield needle

    def _sum(self, words: Words) -> Words:
        # Multiplication of unsigned words wraps, which is what this hash is made of.
        if self._bytes == KEY_BYTES:
            return words * MIXER
        return (words[:-1] ^ (words[1:] * MIXER)) * MIXER


def distinct(found: Iterable[tuple[Needle, int]]) -> dict[Kind, int]:
    """How many different secrets of each kind were found."""
    seen = {(needle.kind, needle.value) for needle, _ in found}
    return {kind: sum(1 for each, _ in seen if each is kind) for kind in Kind}
