"""Finding any of very many secrets in very many bytes, in one pass.

The first eight bytes of every secret go through a hash into a table of bits; only where the bytes
of a place hit that table is a place compared at all.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

import numpy as np
import numpy.typing as npt

KEY_BYTES: Final = 8
TABLE_BITS: Final = 22
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
        # Thousands of secrets may begin alike: those of one length are told apart by one look-up.
        self._by_key: dict[int, dict[int, dict[bytes, Needle]]] = {}
        self._longest = KEY_BYTES
        for needle in needles:
            if len(needle.value) < KEY_BYTES:
                raise ValueError(f"a needle of {len(needle.value)} bytes may turn up by chance")
            key = int.from_bytes(needle.value[:KEY_BYTES], "little")
            by_length = self._by_key.setdefault(key, {})
            by_length.setdefault(len(needle.value), {})[needle.value] = needle
            self._longest = max(self._longest, len(needle.value))
        self._keys = np.array(sorted(self._by_key), np.uint64)
        self._table: Bits = np.zeros(1 << TABLE_BITS, np.bool_)
        self._table[_hashed(self._keys)] = True

    def find(self, data: bytes | bytearray | memoryview) -> Iterator[tuple[Needle, int]]:
        """Every needle that `data` holds, with its place; in no particular order."""
        if not len(self._keys):
            return
        view = memoryview(data)
        for begin in range(0, len(view), CHUNK):
            yield from self._find_in(view[begin : begin + CHUNK + self._longest - 1], begin)

    def _find_in(self, view: memoryview, begin: int) -> Iterator[tuple[Needle, int]]:
        for offset in range(KEY_BYTES):
            count = (len(view) - offset) // KEY_BYTES
            if count <= 0:
                return
            words = np.frombuffer(view, "<u8", count=count, offset=offset)
            for place in self._candidates(words):
                at = int(place) * KEY_BYTES + offset
                if at < CHUNK:  # later places are the next chunk's
                    yield from self._matches(view, at, begin)

    def _candidates(self, words: Words) -> npt.NDArray[np.int64]:
        places = np.flatnonzero(self._table[_hashed(words)])
        found = words[places]
        nearest = np.minimum(np.searchsorted(self._keys, found), len(self._keys) - 1)
        held = np.equal(self._keys[nearest], found)
        return np.asarray(places[held], np.int64)

    def _matches(self, view: memoryview, at: int, begin: int) -> Iterator[tuple[Needle, int]]:
        by_length = self._by_key[int.from_bytes(view[at : at + KEY_BYTES], "little")]
        for length, needles in by_length.items():
            needle = needles.get(bytes(view[at : at + length]))
            if needle is not None:
                yield needle, begin + at


def _hashed(words: Words) -> Words:
    # Multiplication of unsigned words wraps, which is what this hash is made of.
    return (words * MIXER) >> np.uint64(64 - TABLE_BITS)


def distinct(found: Iterable[tuple[Needle, int]]) -> dict[Kind, int]:
    """How many different secrets of each kind were found."""
    seen = {(needle.kind, needle.value) for needle, _ in found}
    return {kind: sum(1 for each, _ in seen if each is kind) for kind in Kind}
